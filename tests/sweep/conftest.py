"""A sweep at hand: planned on the embedded model, and run by an engine that draws without torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sweep.fake import FakeEngine, Sweep


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    where = tmp_path / "here"
    where.mkdir()
    monkeypatch.chdir(where)
    return where


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def sweep(at: Path, engine: FakeEngine) -> Sweep:
    """Plans and runs sweeps below the working directory."""
    return Sweep(at / "sweep", engine)
