"""Sweeps that a fake engine draws, and what their pages hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tcdflow.gallery.data import Cell, Data
from tcdflow.gallery.write import gallery
from tests.standins.gallery import page_data
from tests.sweep.conftest import at, engine, sweep

__all__ = ["at", "engine", "sweep"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sweep of two axes that nobody changes."""
    from tests.sweep.fake import FakeEngine, Sweep

    with pytest.MonkeyPatch.context() as patch:
        where = tmp_path_factory.mktemp("made")
        patch.chdir(where)
        Sweep(Path("demo"), FakeEngine()).run("prompt=a fox,a panda", "sampling.eta=0,0.5", "sampling.steps=2")
        yield where / "demo"


def shown(*directories: Path, output: Path | None = None) -> Data:
    """Write the page of directories and return its data."""
    return page_data(gallery(directories, output).page)


def setting(data: Data, cell: Cell, key: str) -> str:
    """A setting of a cell, as JSON."""
    number = cell["set"][key] if key in cell["set"] else data["common"][key]
    return data["texts"][number]


def label(data: Data, cell: Cell, key: str) -> str:
    """Where a cell stands on an axis, as it is shown."""
    (number,) = [number for number, axis in enumerate(data["axes"]) if axis["key"] == key]
    return data["axes"][number]["values"][cell["at"][number]]["text"]
