"""The log of a run or sweep: what goes in, and that nothing of it stays behind in the process."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tcdflow.config.compose import Composer
from tcdflow.config.plugins import Drive
from tcdflow.config.run_output import RunOutput
from tcdflow.errors import ConfigError, OutputError
from tcdflow.multirun.launcher import Process
from tcdflow.multirun.planned import PlannedSweep
from tcdflow.multirun.watcher import Watcher
from tcdflow.record.log import log_file
from tests.helpers import run_composed
from tests.sweep.fake import FakeEngine

NAMES = ("", "tcdflow.a", "other")


def written(path: Path, verbose: list[str]) -> list[str]:
    """Log a DEBUG and an INFO line with each logger, and return those that arrived."""
    with log_file(path, verbose):
        for name in NAMES:
            logging.getLogger(name).debug("debug of '%s'", name)
            logging.getLogger(name).info("info of '%s'", name)
    lines = [line.split(": ", 1)[1] for line in path.read_text().splitlines()]
    path.unlink()
    return lines


@pytest.mark.parametrize(("verbose", "heard"), [([], []), ([""], [*NAMES]), (["other"], ["other"])])
def test_what_is_logged(verbose: list[str], heard: list[str], tmp_path: Path) -> None:
    told = [f"{level} of '{name}'" for name in NAMES for level in ("debug", "info")]
    lines = written(tmp_path / "run.log", verbose)
    assert lines == [line for line in told if line.startswith("info") or line.split("'")[1] in heard]


def test_it_is_appended_to_and_terminals_are_safe(tmp_path: Path) -> None:
    for text in ("one", "\x1b[2J"):
        with log_file(tmp_path / "log"):
            logging.getLogger("x").info(text)
    first, second = (tmp_path / "log").read_text().splitlines()
    assert first.endswith("INFO x: one") and second.endswith("INFO x: \\x1b[2J")


def test_nothing_stays_in_the_process(tmp_path: Path) -> None:
    def state() -> list[tuple[int, list[logging.Handler]]]:
        return [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in NAMES]

    before = state()
    with pytest.raises(ValueError, match="x"), log_file(tmp_path / "log", NAMES):
        assert state() != before
        raise ValueError("x")
    assert state() == before


@pytest.mark.parametrize("how", ["symlink_to", "hardlink_to"])
def test_a_link_is_not_followed(how: str, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    getattr(tmp_path / "log", how)(tmp_path / "precious")
    with log_file(tmp_path / "log"):
        logging.getLogger("x").info("y")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "log").read_text().endswith("INFO x: y\n")


def test_one_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(OutputError, match=r"log: cannot be written: Is a directory"), log_file(tmp_path / "log"):
        pass


class TestOfARun:
    """``run.log``, and what ``hydra.verbose`` does for it."""

    @pytest.mark.parametrize(
        ("said", "debug"), [("false", False), ("true", True), ("[tcdflow]", True), ("other", False)]
    )
    def test_verbose(self, said: str, debug: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tcdflow.request.run.execute", lambda *_: logging.getLogger("tcdflow").debug("in detail"))
        composition = Composer().compose([f"hydra.verbose={said}", f"hydra.run.dir={tmp_path}"])
        run_composed(composition, lambda: pytest.fail("not needed"), logs=True)
        assert ("in detail" in (tmp_path / "run.log").read_text()) is debug

    @pytest.mark.parametrize(("said", "debug"), [("true", True), ("other", False)])
    def test_verbose_of_a_sweep(self, said: str, debug: bool, tmp_path: Path) -> None:
        engine = FakeEngine(fail=lambda spec: logging.getLogger("tcdflow").debug("in detail"))
        words = [f"hydra.verbose={said}", f"hydra.sweep.dir={tmp_path}", "sampling.seed=1,2"]
        PlannedSweep.prepare(Composer(), words, Drive()).run(Process(engine), Watcher())
        assert ("in detail" in (tmp_path / "sweep.log").read_text()) is debug

    @pytest.mark.parametrize(("key", "said"), [("run.dir", "${nope}"), ("verbose", "${nope}"), ("run.dir", "")])
    def test_where_to_is_told_before_a_directory_is_made(self, key: str, said: str) -> None:
        composition = Composer().compose([f"hydra.{key}={said}"])
        with pytest.raises(
            ConfigError, match=rf"^hydra\.{key}: (Interpolation key 'nope' not found|must not be empty)"
        ):
            RunOutput.of(composition.config)

    def test_another_value_is_refused_before_a_directory_is_made(self, tmp_path: Path) -> None:
        composition = Composer().compose(["hydra.verbose=3", f"hydra.run.dir={tmp_path / 'made'}"])
        with pytest.raises(ConfigError, match=r"^hydra\.verbose = 3: must be true, false, or the names of loggers$"):
            run_composed(composition, lambda: pytest.fail("not needed"), logs=True)
        assert not (tmp_path / "made").exists()
