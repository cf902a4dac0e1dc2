"""Commands on the card by a warm process: the pixels of a process of its own, and memory that is given back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcdflow.record import document
from tests.gpu.conftest import words
from tests.helpers import cli
from tests.standins import StandIns

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("card")]


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of commands that share a process."""
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:  # since paths of sockets must be short
        env = {"XDG_RUNTIME_DIR": runtime, "TCDFLOW_WARM": "1"}
        yield env
        cli("warm", "stop", cwd=tmp_path, env=env)


def test_commands_share_a_card(standins: StandIns, warm: dict[str, str], tmp_path: Path) -> None:
    plain = words(standins, "cuda", (), "sd15")
    asked: dict[str, list[str]] = {"cold": [], "first": [], "offloaded": ["runtime.offload=model"], "again": []}
    for name, more in asked.items():
        env = {} if name == "cold" else warm
        done = cli(*plain, *more, f"hydra.run.dir={name}", cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
    records = {name: document.read(tmp_path / name) for name in asked}
    assert len({record.outputs[0].pixel_sha256 for record in records.values()}) == 1
    # Memory counts what lies on the card as a run begins: a stack that is left there would be in it.
    peaks = {name: record.execution["peak_memory_bytes"] for name, record in records.items()}
    assert peaks["offloaded"] < peaks["first"]
    assert peaks["again"] <= 1.1 * peaks["first"], peaks
    status = cli("warm", "status", cwd=tmp_path, env=warm)
    assert "3 commands" in status.stdout


def test_a_sweep_and_its_rerun(standins: StandIns, tmp_path: Path) -> None:
    axes = ("sampling.eta=0,1", "sampling.seed=1,2", "runtime.batch_size=2", "hydra.sweep.dir=sweep")
    done = cli("-m", *words(standins, "cuda", (), "sd15"), *axes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = cli("rerun", "sweep", "--verify", cwd=tmp_path)
    assert (again.returncode, again.stdout.splitlines()[-1:]) == (0, ["4 cells: 4 identical, 0 different"]), (
        again.stderr
    )
