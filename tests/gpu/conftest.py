"""Runs on the card, if there is one; what only a card can show is skipped elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import tcdflow
from tcdflow.engine.result import Result
from tcdflow.record import document
from tcdflow.record.document import Record
from tests.helpers import cli
from tests.standins import Family, StandIns

Run = Callable[..., Result]
"""``run(*overrides, family="sd15")``."""
Process = Callable[..., Record]
"""The same in a process of its own."""


def words(standins: StandIns, device: str, overrides: tuple[str, ...], family: Family) -> list[str]:
    """The run of a stand-in with its TCD-LoRA, unless overrides say otherwise."""
    lora = () if "loras=[]" in overrides else (f"loras.tcd.source={standins.lora(family, 'tcd')}",)
    base = (f"base={family}", "base.size=64", f"base.source={standins.base(family)}", *lora)
    return [*base, "prompt=a red fox", f"runtime.device={device}", *overrides]


@pytest.fixture(scope="session")
def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def card(device: str) -> Iterator[torch.device]:
    """For tests that mean nothing on a CPU."""
    if device == "cpu":
        pytest.skip("no CUDA device")
    yield torch.device(device)
    torch.cuda.empty_cache()


@pytest.fixture
def run(standins: StandIns, device: str, tmp_path: Path) -> Run:
    made = iter(range(1000))

    def runs(*overrides: str, family: Family = "sd15") -> Result:
        where = f"hydra.run.dir={tmp_path / f'run{next(made)}'}"
        return tcdflow.run(*words(standins, device, overrides, family), where)

    return runs


@pytest.fixture
def process(standins: StandIns, device: str, tmp_path: Path) -> Process:
    made = iter(range(1000))

    def runs(*overrides: str, family: Family = "sd15") -> Record:
        where = tmp_path / f"process{next(made)}"
        done = cli(*words(standins, device, overrides, family), f"hydra.run.dir={where}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return document.read(where)

    return runs
