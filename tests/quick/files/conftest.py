"""An empty cache for each test, and a pipeline in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub.fixtures import hub
from tests.quick.files.fakes import pipeline, write

__all__ = ["hub"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def sd(tmp_path: Path) -> Path:
    return write(tmp_path / "sd", pipeline())
