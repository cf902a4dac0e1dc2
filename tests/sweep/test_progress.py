"""What a person sees of a sweep: bars on a terminal, a path an image elsewhere."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tcdflow.cli.progress import duration
from tests.helpers import cli, environment

COMMAND = ("-m", "sampling.seed=1,2,3", "sampling.num_images=2", "hydra.sweep.dir=s")


def on_a_terminal(at: Path, *argv: str) -> str:
    """What a command draws on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    env = environment({"COLUMNS": "100", "TERM": "xterm", "OMP_NUM_THREADS": "1"})
    process = subprocess.Popen(
        [sys.executable, "-m", "tcdflow", *argv], cwd=at, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    drawn = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side has closed
        while part := os.read(ours, 65536):
            drawn += part
    os.close(ours)
    assert process.wait(60) == 0, drawn
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


def test_bars_on_a_terminal(at: Path) -> None:
    drawn = on_a_terminal(at, *COMMAND)
    assert re.search(r"cells .*━.* 3/3 ", drawn) and re.search(r"steps .*━.* \d/4", drawn)
    assert re.search(r"\d images/s|s/image", drawn) and re.search(r"\d+ s left", drawn)
    assert "3 cells in" in drawn and "3 done" in drawn


def test_plain_lines_elsewhere(at: Path) -> None:
    done = cli(*COMMAND, cwd=at, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and all((at / line).is_file() for line in lines)
    assert len(done.stderr.splitlines()) == 1 and "3 cells in" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr and "━" not in done.stdout + done.stderr
    again = cli(*COMMAND, cwd=at)
    assert again.stdout == "" and "3 skipped" in again.stderr


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_check_shows_the_plan_and_learns_how_long_it_takes(
    at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "memory"))
    told = cli("check", *COMMAND, "sampling.eta=0,1", "prompt=a,b", cwd=at).stdout
    assert "12 cells" in told and re.search(r"axis +sampling.seed: 3 values", told)
    assert re.search(r"loads +1 bases, 0 pipelines, 0 LoRA stacks, 1 prompts", told)
    assert re.search(r"UNet calls +96", told) and "000_seed=1_eta=0_prompt=a" in told
    assert re.search(r"time +unknown: no such run", told)
    assert list(at.iterdir()) == []
    assert cli(*COMMAND, cwd=at).returncode == 0
    told = cli("check", *COMMAND, "sampling.eta=0,1", cwd=at).stdout
    assert re.search(r"time +about \d+ s, by earlier runs", told)
    told = cli("check", "-m", "sampling.width=64,128", cwd=at).stdout
    assert re.search(r"time +about \d+ s, .* and 1 of 2 cells of which nothing is known", told)
    assert re.search(r"time +about \d+ s", cli("check", cwd=at).stdout)
