"""A run on the second of two cards: the pixels of one on the first, on which nothing of it lies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tcdflow
from tcdflow import api
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweeps.metrics import measure
from tests.fidelity.same import equal
from tests.gpu.test_workflows import WORKFLOWS, asked
from tests.standins.scorers import write_clip

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two cards"),
]

RUNS = [
    ("text to image",),
    ("text to image", "runtime.offload=model"),
    ("text to image", "runtime.offload=sequential"),
    ("text to image", "runtime.offload=group"),
    ("text to image", "runtime.layerwise_casting=float8_e4m3fn"),
    ("text to image", "runtime.compile={scope: blocks, mode: default, backend: eager}"),
    ("styled LoRA",),
    ("depth",),
    ("IP-Adapter",),
    ("animation",),
    ("tiles and a sketch",),
    ("guidance, and noise drawn on the card",),
    ("a batch of image to image",),
    ("a tiny VAE, and a sampler of second order",),
]
"""Workflows, and what is asked for beside them."""


@pytest.mark.parametrize("run", RUNS, ids=" ".join)
def test_all_of_it_is_there(run: tuple[str, ...], paths: dict[str, Path], tmp_path: Path) -> None:
    words = asked([*WORKFLOWS[run[0]], *run[1:]], paths)
    first = tcdflow.run(*words, "runtime.device=cuda:0", f"hydra.run.dir={tmp_path / 'first'}")
    api._engine().close()  # else what the first run has loaded could hide what the second one puts there
    torch.cuda.reset_peak_memory_stats(0)
    before = torch.cuda.memory_allocated(0)
    second = tcdflow.run(*words, "runtime.device=cuda:1", f"hydra.run.dir={tmp_path / 'second'}")
    assert second.record.environment["device"] == "cuda:1"
    assert second.record.execution["peak_memory_bytes"] > 0
    assert len(first.images) == len(second.images) > 0
    assert all(map(equal, first.images, second.images))
    assert torch.cuda.max_memory_allocated(0) <= before


def test_images_are_measured_there(paths: dict[str, Path], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "tiny-clip")
    words = asked(WORKFLOWS["text to image"], paths)
    found = tcdflow.run(*words, "runtime.device=cuda:1", f"hydra.run.dir={tmp_path / 'run'}")
    api._engine().close()
    torch.cuda.reset_peak_memory_stats(0)
    before = torch.cuda.memory_allocated(0)
    measure(SweepSpec.model_validate({"metric": "clip", "scorer": str(clip)}), found.record, found.images)
    assert "clip_tiny-clip" in found.record.execution["metrics"]
    assert torch.cuda.max_memory_allocated(0) <= before
