"""Sharpness: how much neighbouring pixels differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer

if TYPE_CHECKING:
    from PIL import Image


class Sharpness(ImageMetric):
    """See :func:`sharpness`."""

    description = (
        "contrast of neighbouring pixels (variance of the Laplacian), not quality: blur lowers it, noise raises it"
    )
    better = "higher"
    column = 10
    recorded = True

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        return lambda subjects: [sharpness(one.image) for one in subjects]


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
