"""A sweep on one card by Ray: the actor has the card, and its images are those of one process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tcdflow.record import document
from tests.helpers import cli
from tests.standins import StandIns

pytestmark = pytest.mark.gpu


@pytest.mark.usefixtures("card")
def test_one_actor_on_one_card(standins: StandIns, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    words = (
        "-m",
        "base=sd15",
        "base.size=64",
        f"base.source={standins.sd15}",
        f"loras.tcd.source={standins.lora('sd15', 'tcd')}",
        "prompt=a red fox",
        "sampling.seed=range(4)",
        "runtime.device=cuda",
    )
    for name, launcher in (("ray", ("hydra/launcher=ray", "hydra.launcher.workers=1")), ("alone", ())):
        done = cli(*words, *launcher, f"hydra.sweep.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    hashes = []
    for name in ("ray", "alone"):
        records = [document.read(path.parent) for path in sorted((tmp_path / name).glob("cells/*/run.json"))]
        assert len(records) == 4
        assert {one.environment["device_name"] for one in records} == {torch.cuda.get_device_name()}
        hashes.append({one.outputs[0].seed: one.outputs[0].pixel_sha256 for one in records})
    assert hashes[0] == hashes[1]
