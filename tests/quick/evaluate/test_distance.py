"""Fréchet distance, principal components and the nearest image, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tcdflow.evaluate.distance import Array, Components, Gaussian, frechet, nearest

RNG = np.random.default_rng(0)


def features(count: int, dimensions: int, shift: float = 0.0) -> Array:
    mix = RNG.normal(size=(dimensions, dimensions))
    return RNG.normal(size=(count, dimensions)) @ mix + shift


@pytest.mark.parametrize(("ours", "theirs", "dimensions"), [(40, 60, 5), (6, 60, 12), (5, 7, 30)])
def test_it_is_the_distance_of_the_definition(ours: int, theirs: int, dimensions: int) -> None:
    one, other = features(ours, dimensions), features(theirs, dimensions, 1.0)
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(a @ b).real.clip(0)).sum()  # trace of the root of the product
    wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(a + b) - 2 * root
    found = frechet(Gaussian.of(one), Gaussian.of(other))
    assert found == pytest.approx(wanted, rel=1e-3)
    assert found == pytest.approx(frechet(Gaussian.of(other), Gaussian.of(one)))


def test_of_a_set_from_itself_it_is_none_and_a_shift_adds_its_square() -> None:
    one = features(50, 8)
    assert frechet(Gaussian.of(one), Gaussian.of(one)) == pytest.approx(0, abs=1e-9)
    assert frechet(Gaussian.of(one), Gaussian.of(one + 2.0)) == pytest.approx(8 * 4)


def test_components_keep_distances_where_the_reference_varies() -> None:
    plane = RNG.normal(size=(30, 2)) @ RNG.normal(size=(2, 20))
    components = Components.of(plane, 48)
    assert components.directions.shape == (20, 20)  # as many as there are dimensions, under the number of images
    found = Components.of(plane, 2)(plane)
    assert np.allclose(
        np.linalg.norm(found[:, None] - found, axis=2), np.linalg.norm(plane[:, None] - plane, axis=2), atol=1e-9
    )
    assert len(Components.of(plane[:3], 48).directions) == 2


def test_the_nearest() -> None:
    reference = features(20, 6)
    assert nearest(reference[[7, 3]] + 1e-3, reference).tolist() == [7, 3]
