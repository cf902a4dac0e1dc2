"""Numbers of images, and what is remembered of how long they took."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from tcdflow.config.compose import Composer
from tcdflow.parts.metrics.complexity import complexity
from tcdflow.parts.metrics.sharpness import sharpness
from tcdflow.record.document import Output, Record
from tcdflow.request import timings
from tcdflow.spec.model import RunSpec

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
FLAT = Image.new("RGB", (64, 48), "red")


def test_sharpness_is_opencvs_laplacian() -> None:
    inner = cv2.Laplacian(np.asarray(NOISE.convert("L"), dtype=np.float64), cv2.CV_64F)[1:-1, 1:-1]
    assert sharpness(NOISE) == pytest.approx(inner.var(), rel=1e-5)


def test_blur_takes_sharpness_and_complexity() -> None:
    blurred = NOISE.filter(ImageFilter.GaussianBlur(2))
    assert sharpness(NOISE) > 10 * sharpness(blurred) > sharpness(FLAT) == 0
    assert 2.9 < complexity(NOISE) < 3.1 and complexity(NOISE) > complexity(blurred) > 10 * complexity(FLAT)


def test_smallest_images_have_them() -> None:
    assert sharpness(Image.new("RGB", (2, 9))) == 0 < complexity(Image.new("RGB", (1, 1)))


def record(calls: int, denoise: float, load: float | None = None) -> Record:
    seconds = {"denoise": denoise, "decode": 1.0} | ({"load": load} if load else {})
    output = Output(file="000.png", sha256="", pixel_sha256="", width=64, height=64, seed=0)
    execution = {"unet_calls": calls, "seconds": seconds, "batch": {"size": 1}}
    return Record(started="", spec={}, environment={"device": "cpu"}, execution=execution, outputs=[output])


def remember(runs: Iterable[tuple[RunSpec, Record]]) -> None:
    timings.remember(took for spec, record in runs for took in timings.took(spec, record))


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "memory"))


def test_an_estimate_is_made_of_medians(composer: Composer) -> None:
    spec = composer.compose(["sampling.steps=8", "sampling.num_images=2"]).spec
    assert timings.estimate([(spec, True, True)]) == (0.0, 1)
    remember((spec, record(8, seconds, 30.0)) for seconds in (4.0, 8.0, 400.0))
    assert timings.estimate([(spec, True, True), (spec, False, False)]) == (2 * 2 * (8 * 1.0 + 1.0) + 30.0, 0)
    other = composer.compose(["sampling.width=128"]).spec
    assert timings.estimate([(other, True, True), (spec, False, False)])[1] == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"call": ["x"]}}', '{"a": {"call": null}}'])
def test_a_damaged_memory_is_none(text: str, composer: Composer) -> None:
    timings.path().parent.mkdir(parents=True)
    timings.path().write_text(text)
    assert timings.read() == {}
    remember([(composer.compose().spec, record(4, 4.0))])
    assert len(timings.read()) == 1


def test_the_memory_stays_small(composer: Composer) -> None:
    specs = [composer.compose([f"sampling.width={8 * width}"]).spec for width in range(1, 4)]
    for _ in range(3):
        remember((spec, record(4, 4.0)) for spec in specs * 20)
    assert all(len(stages["call"]) == 7 for stages in timings.read().values())


def test_a_place_that_cannot_be_written_fails_nothing(composer: Composer, tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")
    remember([(composer.compose().spec, record(4, 4.0))])
