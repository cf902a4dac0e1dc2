"""A run directory that somebody prepared: what it holds does not choose where a run writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.record import document
from tests.helpers import left_behind, run_composed

FILES = [".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "run.log", "run.json"]


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tcdflow.request.run.execute", lambda *_: None)  # what the engine writes is tested elsewhere
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("precious")
    (tmp_path / "theirs").mkdir()
    return tmp_path / "theirs"


def run() -> None:
    composition = Composer().compose(["hydra.run.dir=theirs"])
    run_composed(composition, lambda: pytest.fail("not needed"), logs=True)


@pytest.mark.parametrize("name", [*FILES, ".hydra", "inputs"])
def test_links_lead_nowhere(name: str, theirs: Path) -> None:
    place, outside = theirs / name, theirs.parent / "outside"
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside if name in (".hydra", "inputs") else outside / "precious")
    run()
    assert document.read(theirs).status == "done"
    assert left_behind(outside) == ["precious"]
    assert (outside / "precious").read_text() == "precious"
    assert all((theirs / written).is_file() and not (theirs / written).is_symlink() for written in FILES)


@pytest.mark.parametrize("name", FILES)
def test_hard_links_are_not_written_through(name: str, theirs: Path) -> None:
    place, precious = theirs / name, theirs.parent / "outside/precious"
    place.parent.mkdir(exist_ok=True)
    place.hardlink_to(precious)
    run()
    assert document.read(theirs).status == "done"
    assert precious.read_text() == "precious"
    assert not place.samefile(precious)


@pytest.mark.parametrize("name", ["000.png", "run.json", "grid.png", "animation.gif", "control_depth.png"])
def test_a_folder_in_the_way_is_told_before_anything_is_made(name: str, theirs: Path) -> None:
    run()
    (theirs / "run.json").unlink(missing_ok=name == "run.json")
    (theirs / name).mkdir()
    before = left_behind(theirs)
    with pytest.raises(ConfigError, match=name):
        run()
    assert left_behind(theirs) == before


@pytest.mark.parametrize("name", FILES)
def test_nobody_waits_at_a_pipe(name: str, theirs: Path) -> None:
    (theirs / name).parent.mkdir(exist_ok=True)
    os.mkfifo(theirs / name)
    run()
    assert (theirs / name).is_file()
