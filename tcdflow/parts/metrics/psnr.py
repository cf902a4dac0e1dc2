"""PSNR: how far the pixels of an image are from those of its reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer, Subject


class Psnr(ImageMetric):
    """Peak signal-to-noise ratio over all channels, as OpenCV has it: 10 log10(255² / MSE)."""

    description = "peak signal-to-noise ratio against the reference, in dB; 361 for the identical image"
    better = "higher"
    needs_reference = True
    column = 30

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        return _psnr


def _psnr(subjects: Sequence[Subject]) -> list[float]:
    import cv2
    import numpy as np

    return [cv2.PSNR(np.asarray(one.image), np.asarray(one.reference)) for one in subjects]


METRICS.add("psnr", Psnr())
