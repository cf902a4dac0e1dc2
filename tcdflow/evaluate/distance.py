"""Distances between sets of images, on their features.

Fréchet distance (Dowson and Landau 1982; FID, arXiv 1706.08500, with Inception's features): between two Gaussians of
the same mean and covariance as the sets. It is smaller for larger sets of the same images, so sets have to be equal in
size to be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features.

    Attributes:
        mean: shape ``(dimensions,)``.
        root: shape ``(rank, dimensions)``; ``root.T @ root`` is the covariance.
    """

    mean: Array
    root: Array

    @classmethod
    def of(cls, features: Array) -> Gaussian:
        """Return that of a set.

        Args:
            features: shape ``(images, dimensions)``, of two images at least.
        """
        count, dimensions = features.shape
        mean = features.mean(0)
        root = (features - mean) / np.sqrt(count - 1)
        if count > dimensions:
            root = np.asarray(np.linalg.qr(root, mode="r"))
        return cls(mean, root)


def frechet(one: Gaussian, other: Gaussian) -> float:
    """Return the Fréchet distance of two Gaussians, which is squared, as FID is.

    The trace of the root of the product of covariances is the sum of the singular values of the product of their
    roots, which needs no root of a matrix.
    """
    between = np.linalg.svd(one.root @ other.root.T, compute_uv=False).sum()
    spread = (one.root**2).sum() + (other.root**2).sum() - 2 * between
    return max(0.0, float(((one.mean - other.mean) ** 2).sum() + spread))


@dataclass(frozen=True)
class Components:
    """Principal components of a reference.

    Attributes:
        mean: shape ``(dimensions,)``.
        directions: shape ``(components, dimensions)``.
    """

    mean: Array
    directions: Array

    @classmethod
    def of(cls, features: Array, count: int) -> Components:
        """Return the first of them, as many as there can be of so few images."""
        mean = features.mean(0)
        directions = np.linalg.svd(features - mean, full_matrices=False)[2]
        return cls(mean, directions[: min(count, len(features) - 1)])

    def __call__(self, features: Array) -> Array:
        """Return features of shape ``(images, dimensions)`` in ``(images, components)``."""
        found: Array = (features - self.mean) @ self.directions.T
        return found


def nearest(features: Array, reference: Array) -> NDArray[np.intp]:
    """Return for each row the number of the nearest row of the reference."""
    lengths = (reference**2).sum(1)
    found: NDArray[np.intp] = np.argmin(lengths - 2 * features @ reference.T, axis=1)
    return found
