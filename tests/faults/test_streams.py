"""Standard streams that are closed, full or without a reader lose no work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import records
from tests.zygote.client import Zygote

RUN = ("sampling.steps=1", "hydra.run.dir=run")
AXES = ("-m", "sampling.steps=1", "sampling.seed=1,2", "hydra.sweep.dir=s")


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_closed(closed: list[int], zygote: Zygote, at: Path) -> None:
    for argv, drawn in ((RUN, False), (AXES, True), (("check",), True)):
        said = zygote.run(*argv, cwd=at, drawn=drawn, closed=closed)
        assert said.status == 0, (argv, said.err)
        assert bool(said.out) == (1 not in closed)
    said = zygote.run("nonsense=1", cwd=at, drawn=True, closed=closed)
    assert said.status == 2 and said.out == ""
    assert [record.status for record in records(at)] == ["done"] * 3


def test_no_file_of_ours_takes_the_place_of_a_closed_one(zygote: Zygote, at: Path) -> None:
    """What libraries write to standard error would end up in it."""
    shout = "import os; os.write(1, b'out'), os.write(2, b'a warning of C')"
    twist = {"before": "before_each", "twist": shout}
    assert zygote.run(*RUN, cwd=at, drawn=True, closed=[0, 1, 2], **twist).status == 0
    assert [record.status for record in records(at)] == ["done"]
    assert not [path for path in at.rglob("*") if path.is_file() and b"a warning of C" in path.read_bytes()]


def test_output_that_is_full(zygote: Zygote, at: Path) -> None:
    full = "tcdflow: standard output: cannot be written: No space left on device"
    for argv in (RUN, ("check",), AXES):
        said = zygote.run(*argv, cwd=at, drawn=True, out="/dev/full")
        assert said.status == 1
        assert said.err.splitlines()[-1] == full and said.err.count("tcdflow: ") == 1
    assert zygote.run("resume", "s", cwd=at, drawn=True).status == 0
    assert [record.status for record in records(at)] == ["done"] * 3


def test_messages_that_nobody_hears(zygote: Zygote, at: Path) -> None:
    for argv in (RUN, AXES):
        assert zygote.run(*argv, cwd=at, drawn=True, err="/dev/full").status == 0
    assert [record.status for record in records(at)] == ["done"] * 3


def test_a_pipe_without_a_reader(zygote: Zygote, at: Path) -> None:
    """A run was made all the same; a sweep ends, as any filter does, and says how to go on."""
    said = zygote.run(*RUN, cwd=at, drawn=True, before="without_reader")
    assert said.status == 0 and "1 image in" in said.line()
    said = zygote.run(*AXES, cwd=at, drawn=True, before="without_reader")
    assert said.status == 1
    assert said.line() == "stopped with 1 of 2 cells done; go on with: tcdflow resume s"
    assert [record.status for record in records(at)] == ["done"] * 2
