"""SSIM: how alike the structure of an image and of its reference is."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.errors import RequestError
from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer, Subject

if TYPE_CHECKING:
    import torch
    from PIL import Image

_LEAST = 11
"""Pixels a side of the window."""


class Ssim(ImageMetric):
    """Structural similarity (Wang et al. 2004) by torchmetrics: Gaussian window of 11 pixels, sigma 1.5, over RGB."""

    description = "structural similarity with the reference: 1 for the identical image, near 0 for another one"
    better = "higher"
    needs_reference = True
    column = 31

    def check(self) -> None:
        if find_spec("torchmetrics") is None:
            raise RequestError("ssim needs pip install 'tcdflow[metrics]'")

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        self.check()
        return _ssim


def _ssim(subjects: Sequence[Subject]) -> list[float]:
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = []
    for one in subjects:
        if min(one.image.size) < _LEAST:
            size = f"{one.image.width} × {one.image.height}"
            raise RequestError(f"ssim: an image of {size} is smaller than its window, {_LEAST} pixels")
        assert one.reference is not None
        with torch.inference_mode():
            value = structural_similarity_index_measure(_pixels(one.image), _pixels(one.reference), data_range=1.0)
        assert torch.is_tensor(value)
        found.append(float(value))
    return found


def _pixels(image: Image.Image) -> torch.Tensor:
    """Return pixels from 0 to 1, shape ``(1, 3, height, width)``."""
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]


METRICS.add("ssim", Ssim())
