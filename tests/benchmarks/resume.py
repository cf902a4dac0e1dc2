"""Resuming a finished sweep of 10,000 cells: each record is read, each image hashed, and nothing imported or made."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tcdflow.config.compose import Composer
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
        times = [_resumed(directory) for _ in range(ROUNDS)]
    return [Figure("resume a finished sweep of 10,000 cells, whole process, seconds", times, "15")]


def _resumed(directory: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "tcdflow", "resume", str(directory)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "10000 skipped" in done.stderr, done.stderr
    return time.perf_counter() - start
