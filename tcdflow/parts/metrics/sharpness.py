"""Sharpness: how much neighbouring pixels differ."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from tcdflow.spec.metrics import METRICS, Measurable, Metric

if TYPE_CHECKING:
    from PIL import Image


class Sharpness(Metric):
    """The mean of :func:`sharpness`."""

    description = "variance of the Laplacian of the grey image: blur makes it small, noise large"
    better = "higher"
    column = 10

    def measure(self, run: Measurable) -> float:
        return fmean(map(sharpness, run.images))


def sharpness(image: Image.Image) -> float:
    """Return the variance of the Laplacian of the grey image, from 0 to 255 a pixel: blur makes it small.

    As a measure of focus it is Pech-Pacheco et al.'s (ICPR 2000), and OpenCV's ``Laplacian(grey).var()`` away from the
    border. An image under 3 pixels a side has none: 0.
    """
    import numpy as np

    grey = np.asarray(image.convert("L"), dtype=np.float32)
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * grey[1:-1, 1:-1], dtype=np.float64))


METRICS.add("sharpness", Sharpness())
