"""A LoRA distilled on the card: near to the one that the CPU makes, also when a checkpoint is gone on from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.distill.conftest import SMALL
from tests.distill.test_shared import EMOJI, LORA, distance
from tests.helpers import cli

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("card")]

CLOSE = {"float32": 0.3, "bfloat16": 0.8, "float16": 0.8}
"""Most that two LoRAs may differ, in shares of what training has changed in four steps; two of no relation do by 1.4.

A card rounds convolutions to TF32 in float32, too, and Adam turns the rounding of gradients near 0 into steps.
"""


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distilled(tmp_path_factory.mktemp("cpu"), "distill.device=cpu")


def distilled(folder: Path, *more: str) -> Path:
    done = cli("distill", *SMALL, *EMOJI, "distill.checkpoint.every=2", *more, "hydra.run.dir=out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_near_to_the_cpu(precision: str, on_cpu: Path, tmp_path: Path) -> None:
    made = distilled(tmp_path, "distill.device=cuda", f"distill.precision={precision}")
    assert record(made)["environment"]["device"] == "cuda"
    assert distance(made, on_cpu) < CLOSE[precision], distance(made, on_cpu)


def test_goes_on_from_a_checkpoint(on_cpu: Path, tmp_path: Path) -> None:
    """In float16, where the checkpoint holds the scale of the loss, too."""
    validation = [f"distill.validation.{setting}" for setting in ("every=4", "count=1", "steps=[1]")]
    made = distilled(tmp_path, "distill.device=cuda", "distill.precision=float16", *validation)
    assert [path.name for path in (made / "validation").glob("*/*.webp")] == ["sheet.webp"]
    whole = made.rename(tmp_path / "whole")
    shutil.copytree(whole, made)
    (made / LORA).unlink()
    (made / "checkpoints/00000004.safetensors").unlink()
    done = cli("resume", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert distance(whole, on_cpu) < CLOSE["float16"]
    assert distance(made, whole) < CLOSE["float32"]
