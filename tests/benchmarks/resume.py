"""Resuming a finished sweep of 10,000 cells: each record is read, each image hashed, and nothing imported or made."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tcdflow.config.compose import Composer
from tcdflow.gallery.write import INDEX
from tcdflow.sweeps import planner
from tcdflow.sweeps.runner import Runner, pending
from tests.benchmarks.table import Figure
from tests.sweep.fake import FakeEngine

ROUNDS = 3


def run() -> list[Figure]:
    """Make the sweep with an engine that draws at once, and real records; then time whole processes."""
    plan = planner.make(Composer(), ["sampling.seed=range(1000)", "sampling.eta=range(0,1,0.1)"]).plan
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        plan.write(directory)
        runner = Runner(plan, directory, FakeEngine())
        assert sum(outcome.status == "done" for outcome in runner.run(pending(plan, directory))) == 10_000
        written, kept = [], []
        for _ in range(ROUNDS):
            (directory / INDEX).unlink(missing_ok=True)
            written.append(_resumed(directory))
            kept.append(_resumed(directory))
    return [
        Figure("resume a finished sweep of 10,000 cells, whole process, seconds", kept, "15"),
        Figure("... and write its page and tables again, which somebody has touched", written, "15"),
    ]


def _resumed(directory: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "tcdflow", "resume", str(directory)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "10000 skipped" in done.stderr, done.stderr
    return time.perf_counter() - start
