"""Complexity: how badly an image compresses."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer

if TYPE_CHECKING:
    from PIL import Image


class Complexity(ImageMetric):
    """See :func:`complexity`."""

    description = "compressed bytes a pixel, 0 to about 3: flat images have next to none, noise has most"
    better = "higher"
    digits = 6
    column = 20
    recorded = True

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        return lambda subjects: [complexity(one.image) for one in subjects]


def complexity(image: Image.Image) -> float:
    """Return compressed bytes a pixel, of differences between neighbours as in a PNG: near 0 if flat, 3 if noise."""
    import numpy as np

    pixels = np.asarray(image.convert("RGB"))
    rows = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1]))
    return len(zlib.compress(rows.tobytes(), 1)) / (image.width * image.height)


METRICS.add("complexity", Complexity())
