"""Ctrl-C and SIGTERM on a real process: the first ends it cleanly, a second one at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.helpers import environment, until
from tests.standins.gallery import page_data
from tests.zygote.client import Zygote

AXES = ("sampling.seed=range(200)", "hydra.sweep.dir=my sweep")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_says_how_to_go_on(number: signal.Signals, zygote: Zygote, at: Path) -> None:
    process = zygote.start("-m", *AXES, cwd=at)
    until(lambda: len(list(at.rglob("000.png"))) > 2)  # the record of the last one may still be missing
    process.send(number)
    if number == signal.SIGTERM:
        process.send(number)  # as timeout(1) does: one wish, and not two
    said = process.end()
    assert said.status == 130, said.err
    assert "of 200 cells done; go on with: tcdflow resume 'my sweep'" in said.err
    assert "tcdflow: interrupted" in said.err and "Traceback" not in said.err
    records = [json.loads(path.read_text())["status"] for path in at.rglob("run.json")]
    assert set(records) <= {"done", "interrupted"} and records.count("done") > 1 and records.count("interrupted") <= 1
    rows = (at / "my sweep" / "results.csv").read_text().splitlines()
    left = sum(",left," in row for row in rows)
    # The record of the last one may stand there before the sweep has heard of it.
    assert len(rows) == 201 and left - (200 - records.count("done")) in (0, 1)
    page = page_data(at / "my sweep" / "index.html")
    assert not page["running"] and [cell["status"] for cell in page["cells"]].count("done") == 200 - left
    assert not list(at.rglob(".partial-*"))


BUSY = """
import hashlib, signal, sys
from tcdflow.cli.signals import listen
listen()
print("ready", flush=True)
sys.stdin.readline()
print("busy", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes in C, where no Python handler gets between
"""


def busy(at: Path, before: str = "") -> subprocess.Popen[str]:
    """Start a process that listens, and is busy once it is sent a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{before}{BUSY}"],
        cwd=at,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def goes_on(process: subprocess.Popen[str]) -> bool:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    return process.stdout.readline() == "busy\n"


def test_a_second_one_ends_it_at_once_whatever_it_does(at: Path) -> None:
    with busy(at) as process:
        assert goes_on(process)
        watched = psutil.Process(process.pid)
        before = watched.cpu_times().user
        until(lambda: watched.cpu_times().user > before + 0.1)  # then it is within the call
        for _ in range(2):  # both at once are the first wish
            process.send_signal(signal.SIGINT)
        time.sleep(0.8)
        assert process.poll() is None
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
    assert process.returncode == 130


def test_nohup_is_respected(at: Path) -> None:
    with busy(at, "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)") as process:
        process.send_signal(signal.SIGHUP)
        assert goes_on(process)
        process.kill()


def test_a_single_run_is_interrupted_too(zygote: Zygote, at: Path) -> None:
    process = zygote.start("sampling.num_images=500", "hydra.run.dir=run", cwd=at)
    until((at / "run" / "run.json").exists)
    process.send(signal.SIGTERM)
    said = process.end()
    assert said.status == 130, said.err
    assert json.loads((at / "run" / "run.json").read_text())["status"] == "interrupted"
