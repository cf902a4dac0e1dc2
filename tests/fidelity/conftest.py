"""Runs of tcdflow, beside which scripts are run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tcdflow
from tcdflow.engine.result import Result
from tests.helpers import Write
from tests.standins import Family, LoraKind, StandIns

__all__ = ["Run", "Thin", "Write"]

Run = Callable[..., Result]
Thin = Callable[[Family, LoraKind], Path]


@pytest.fixture
def run(standins: StandIns, tmp_path: Path) -> Run:
    """Make a run as a user's program does, on the CPU; the engine stays warm from test to test."""
    made = iter(range(1000))

    def runs(*overrides: str, config_dir: Path | None = None) -> Result:
        where = f"hydra.run.dir={tmp_path / f'run{next(made)}'}"
        return tcdflow.run(*overrides, "runtime.device=cpu", where, config_dir=config_dir)

    return runs


@pytest.fixture(scope="session")
def thin(standins: StandIns) -> Thin:
    """LoRAs with few layers; three of the guide's scripts, and those of each family, are compared with whole ones."""
    return standins.thin_lora_file
