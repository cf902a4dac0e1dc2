"""Runs on the card, if there is one; what only a card can show is skipped elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import tcdflow
from tcdflow.engine.result import Result
from tests.standins import StandIns

Run = Callable[..., Result]


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
    """Make a run of the SD 1.5 stand-in with its TCD-LoRA, unless overrides say otherwise."""
    made = iter(range(1000))

    def runs(*overrides: str) -> Result:
        lora = () if "loras=[]" in overrides else (f"loras.tcd.source={standins.lora('sd15', 'tcd')}",)
        base = ("base=sd15", "base.size=64", f"base.source={standins.sd15}", *lora)
        where = f"hydra.run.dir={tmp_path / f'run{next(made)}'}"
        return tcdflow.run(*base, "prompt=a red fox", f"runtime.device={device}", where, *overrides)

    return runs
