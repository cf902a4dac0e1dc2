"""Planning: 10,000 cells over values, 100,000 of them, and what Hydra's own way of composing each cell would take."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.benchmarks.table import Figure, Row

ROUNDS = 3
AXES = ["sampling.eta=range(0,1,0.1)", "prompt=a red heart,a blue star,a green leaf,a sun,a moon,x1,x2,x3,x4,x5"]
PLAN = """
import json, pathlib, re, sys, time
from tcdflow.config.compose import Composer
from tcdflow.sweeps import planner
start = time.perf_counter()
plan = planner.make(Composer(), sys.argv[1:]).plan
seconds = time.perf_counter() - start
# Not ru_maxrss: on Linux that begins with the size of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())
print(json.dumps([len(plan.cells), seconds, int(peak[1]) / 1024]))
"""
COMPOSE = """
import json, sys, time
from tcdflow.config.compose import Composer
composer = Composer()
composer.compose(sys.argv[1:])
start = time.perf_counter()
for _ in range(10):
    composer.compose(sys.argv[1:])
print(json.dumps([(time.perf_counter() - start) / 10]))
"""


def run() -> list[Row | Figure]:
    """Each plan is made in a process of its own, for its memory; starting Python is not counted."""
    small = [_planned(100) for _ in range(ROUNDS)]
    large = [_planned(1000) for _ in range(1)]
    each = [_answer(COMPOSE, "sampling.eta=0.5")[0] for _ in range(ROUNDS)]
    return [
        Figure("plan 10,000 cells, seconds", [seconds for seconds, _ in small], "15"),
        Figure("plan 10,000 cells, peak memory of the process in MB", [memory for _, memory in small], "1000"),
        Figure("plan 100,000 cells, seconds", [seconds for seconds, _ in large], "ten times that of 10,000"),
        Figure("plan 100,000 cells, peak memory in MB", [memory for _, memory in large], "10000"),
        Row("plan 10,000 cells against composing each, seconds", [s for s, _ in small], [10_000 * s for s in each]),
    ]


def _planned(seeds: int) -> tuple[float, float]:
    cells, seconds, memory = _answer(PLAN, f"sampling.seed=range({seeds})", *AXES)
    assert cells == seeds * 100
    return seconds, memory


def _answer(code: str, *argv: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", code, *argv], check=True, capture_output=True, text=True)
    answer: list[float] = json.loads(done.stdout)
    return answer
