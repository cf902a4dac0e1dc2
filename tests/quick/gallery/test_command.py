"""``tcdflow gallery`` as it is typed: what it prints, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch
from tests.sweep.fake import Sweep


def test_it_prints_the_page(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.run("sampling.eta=0,1")
    (victim, _) = sorted((sweep.directory / "cells").iterdir())
    (victim / "000.png").unlink()
    assert dispatch(["gallery", "sweep"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("sweep/index.html\n", "1 image, 1 not there: the page says why\n")
    assert dispatch(["gallery", "sweep", "--output", "else/page.html"]) == 0
    assert capsys.readouterr().out == "else/page.html\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "gallery: name what is to be shown"),
        (["none"], "none: is not a directory"),
        (["."], ".: no run in it or below"),
        ([".", "."], "--output: is needed with several directories"),
        (["--outptu", "x"], "did you mean '--output'?"),
        (["sampling.eta=0"], "sampling.eta=0: is not a directory"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["gallery", *words]) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and err.count("\n") == 1
    assert list(at.iterdir()) == []


def test_ratings_that_are_none(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.run("sampling.eta=0,1")
    assert dispatch(["gallery", "sweep", "--ratings", "none.json"]) == 2
    assert "none.json: cannot be read" in capsys.readouterr().err
    assert not (sweep.directory / "index.html").exists()
