"""Numbers that say something of an image and need no further weights."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from PIL import Image

from tcdflow.record.document import Record
from tcdflow.spec.sweep import Metric

_ONCE = ("load", "loras")
"""Stages whose seconds depend on what ran before."""


def sharpness(image: Image.Image) -> float:
    """Return the variance of the Laplacian of the grey image, from 0 to 255 a pixel: blur makes it small.

    As a measure of focus it is Pech-Pacheco et al.'s (ICPR 2000), and OpenCV's ``Laplacian(grey).var()`` away from the
    border. An image under 3 pixels a side has none: 0.
    """
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * grey[1:-1, 1:-1], dtype=np.float64))


def complexity(image: Image.Image) -> float:
    """Return compressed bytes a pixel, of differences between neighbours as in a PNG: near 0 if flat, 3 if noise."""
    pixels = np.asarray(image.convert("RGB"))
    rows = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1]))
    return len(zlib.compress(rows.tobytes(), 1)) / (image.width * image.height)


def measured(images: Sequence[Image.Image]) -> dict[str, float]:
    """Return the means over the images of a run."""
    return {
        "sharpness": round(fmean(map(sharpness, images)), 4),
        "complexity": round(fmean(map(complexity, images)), 6),
    }


def value(metric: Metric, record: Record) -> float:
    """Return the number of a finished run that a sweeper asks for.

    ``seconds`` are those of encoding, denoising and decoding. Loading is left out: it depends on what ran before.
    """
    if metric == "seconds":
        return float(sum(spent for stage, spent in record.execution["seconds"].items() if stage not in _ONCE))
    return float(record.execution["metrics"][metric])
