"""Metrics and features that a model computes: on the card what they are on the CPU, but for rounding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tcdflow.evaluate.features import ImageSource
from tcdflow.evaluate.features import choose as choose_features
from tcdflow.spec.metrics import Subject
from tcdflow.sweeps.scorers import choose as choose_metrics
from tests.standins.scorers import write_clip

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("card")]

IMAGES = [Image.effect_mandelbrot((48, 40), (-2, -1.5, 1, 1.5), 20 + n).convert("RGB") for n in range(3)]
Compute = Callable[[], np.ndarray]


def assert_near(compute: Compute, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Convolutions on a card round to TF32 unless told otherwise, which is 1e-3 of what they give."""
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "card"))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    made = compute()
    assert torch.cuda.max_memory_allocated() > before, "it was computed elsewhere"
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wanted = compute()
    assert np.isfinite(made).all() and made.std() > 0
    assert np.allclose(made, wanted, rtol=0.02, atol=0.02 * np.abs(wanted).max())


def test_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = write_clip(tmp_path / "tiny-clip")
    subjects = [Subject(image, prompt) for image, prompt in zip(IMAGES, ("a cat", "a castle " * 90, ""), strict=True)]

    def scores() -> np.ndarray:
        (clip,) = choose_metrics([f"clip={model}"], lambda done, total: None)
        return np.array(clip.load()(subjects))

    assert_near(scores, monkeypatch, tmp_path)


@pytest.mark.parametrize("name", ["efficientnet", "tiny-clip"])
def test_features(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if name == "efficientnet":
        pytest.importorskip("efficientnet_lite_pytorch")
    word = str(write_clip(tmp_path / name)) if name == "tiny-clip" else name

    def features() -> np.ndarray:
        (one,) = choose_features([word], lambda done, total: None)
        return one.of([ImageSource(str(n), image.copy) for n, image in enumerate(IMAGES)])

    assert_near(features, monkeypatch, tmp_path)
