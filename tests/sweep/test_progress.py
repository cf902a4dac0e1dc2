"""What a person sees of a sweep: bars on a terminal, a path an image elsewhere."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
from pathlib import Path

import pytest

from tcdflow.cli.progress import duration
from tests.zygote.client import Zygote

COMMAND = ("-m", "sampling.seed=1,2,3", "sampling.num_images=2", "hydra.sweep.dir=s")


def on_a_terminal(zygote: Zygote, at: Path, *argv: str) -> str:
    """What a command draws on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    terminal = os.ttyname(theirs)
    process = zygote.start(*argv, cwd=at, out=terminal, err=terminal, env={"COLUMNS": "100", "TERM": "xterm"})
    drawn = b""
    while not process.ended():
        if select.select([ours], [], [], 0.1)[0]:
            drawn += os.read(ours, 65536)
    os.close(theirs)
    with contextlib.suppress(OSError):  # how Linux says that the other side has closed
        while part := os.read(ours, 65536):
            drawn += part
    os.close(ours)
    assert process.end().status == 0, drawn
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


def test_bars_on_a_terminal(zygote: Zygote, at: Path) -> None:
    drawn = on_a_terminal(zygote, at, *COMMAND)
    assert re.search(r"cells .*━.* 3/3 ", drawn) and re.search(r"steps .*━.* \d/4", drawn)
    assert re.search(r"\d images/s|s/image", drawn) and re.search(r"\d+ s left", drawn)
    assert "3 cells in" in drawn and "3 done" in drawn


def test_plain_lines_elsewhere(zygote: Zygote, at: Path) -> None:
    done = zygote.run(*COMMAND, cwd=at)
    assert done.status == 0
    lines = done.out.splitlines()
    assert len(lines) == 6 and all((at / line).is_file() for line in lines)
    assert "3 cells in" in done.line()
    assert "\x1b" not in done.out + done.err and "━" not in done.out + done.err
    again = zygote.run(*COMMAND, cwd=at)
    assert again.out == "" and "3 skipped" in again.err


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_check_shows_the_plan_and_learns_how_long_it_takes(
    zygote: Zygote, at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "memory"))
    told = zygote.run("check", *COMMAND, "sampling.eta=0,1", "prompt=a,b", cwd=at).out
    assert "12 cells" in told and re.search(r"axis +sampling.seed: 3 values", told)
    assert re.search(r"loads +1 base; changes between cells: 1 of prompt\n", told)
    assert re.search(r"UNet calls +96", told) and "000_seed=1_eta=0_prompt=a" in told
    assert re.search(r"time +unknown: no such run", told)
    assert list(at.iterdir()) == []
    assert zygote.run(*COMMAND, cwd=at).status == 0
    told = zygote.run("check", *COMMAND, cwd=at).out
    assert re.search(r"done +3 of 3 cells; nothing is left to run\n", told) and "UNet calls" not in told
    told = zygote.run("check", *COMMAND, "sampling.eta=0,1", "hydra.sweep.dir=t", cwd=at).out
    assert re.search(r"time +about \d+ s, by earlier runs", told)
    told = zygote.run("check", "-m", "sampling.width=64,128", cwd=at).out
    assert re.search(r"time +about \d+ s, .* and unknown for 1 of 2 cells", told)
    assert re.search(r"time +about \d+ s", zygote.run("check", cwd=at).out)
