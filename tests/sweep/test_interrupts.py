"""Ctrl-C and SIGTERM on a real process: the first ends it cleanly, a second one at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import environment

AXES = ("sampling.seed=range(200)", "hydra.sweep.dir=my sweep")


def started(at: Path, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *(argv or ("-m", "tcdflow", "-m", *AXES))],
        cwd=at,
        env=environment({"OMP_NUM_THREADS": "1"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not there():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_says_how_to_go_on(number: signal.Signals, at: Path) -> None:
    process = started(at)
    until(lambda: len(list(at.rglob("000.png"))) > 2)  # the record of the last one may still be missing
    process.send_signal(number)
    if number == signal.SIGTERM:
        process.send_signal(number)  # as timeout(1) does: one wish, and not two
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "of 200 cells done; go on with: tcdflow resume 'my sweep'" in err
    assert "tcdflow: interrupted" in err and "Traceback" not in err
    records = [json.loads(path.read_text())["status"] for path in at.rglob("run.json")]
    assert set(records) <= {"done", "interrupted"} and records.count("done") > 1 and records.count("interrupted") <= 1
    rows = (at / "my sweep" / "results.csv").read_text().splitlines()
    assert len(rows) == 201 and sum(",left," in row for row in rows) == 200 - records.count("done")
    assert not list(at.rglob(".partial-*"))


BUSY = """
import hashlib, signal, sys
from tcdflow.cli.signals import listen
listen()
print("ready", file=sys.stderr, flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 300_000_000)  # a minute in C, where no Python handler gets between
"""


def test_a_second_one_ends_it_at_once_whatever_it_does(at: Path) -> None:
    process = started(at, "-c", BUSY)
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    time.sleep(0.5)  # until it is within the call
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130 and time.monotonic() - start < 10


def test_nohup_is_respected(at: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{BUSY}"
    process = started(at, "-c", code)
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_single_run_is_interrupted_too(at: Path) -> None:
    process = started(at, "-m", "tcdflow", "sampling.num_images=500", "hydra.run.dir=run")
    until((at / "run" / "run.json").exists)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads((at / "run" / "run.json").read_text())["status"] == "interrupted"
