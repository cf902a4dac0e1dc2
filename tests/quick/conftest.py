"""The room of tests that need no torch: together they take less than a minute."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def quick_alone(request: pytest.FixtureRequest) -> bool:
    """Whether this process has collected tests of this room only."""
    return all(item.path.is_relative_to(Path(__file__).parent) for item in request.session.items)


@pytest.fixture(autouse=True)
def no_torch(quick_alone: bool) -> Iterator[None]:
    """No test of this room imports torch, nor does collecting them.

    Tests of other rooms may have imported it already: then it cannot be imported while one of this room runs.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "torch" in sys.modules and not quick_alone:
            patch.setitem(sys.modules, "torch", None)  # how Python marks a module that must not be imported
        yield
        assert sys.modules.get("torch") is None, "imported by this test, by a fixture, or by a module of this room"


@pytest.fixture
def at(sweeps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the ``sweeps`` that a module has made, in the working directory."""
    shutil.copytree(sweeps, tmp_path / "at")
    monkeypatch.chdir(tmp_path / "at")
    return tmp_path / "at"
