"""How long threads spin before they sleep: what a cell takes in a process alone, and beside a second one.

Both have a thread for each core, as runs have by default, so that two of them have twice as many threads as there are
cores. ``tcdflow`` has GOMP_SPINCOUNT=1000 by default (:mod:`tcdflow.engine.threads`).
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from statistics import mean

from tcdflow.record import document
from tests.benchmarks.spend import started
from tests.benchmarks.table import Figure
from tests.helpers import environment

CELLS = 20
ROUNDS = 2
_PATIENCE = 40.0
"""Seconds that a sweep gets: two at once in libgomp's own way may take minutes an image."""
COUNTS = {"0": "0", "1000": "1000", "10000": "10000", "300000, libgomp's own": "300000"}


def run(rounds: int = ROUNDS, cells: int = CELLS) -> list[Figure]:
    """Alternate the counts, alone and crowded: `rounds` times, sweeps of `cells` cells."""
    found: dict[tuple[str, int], list[float]] = {(name, beside): [] for name in COUNTS for beside in (1, 2)}
    with tempfile.TemporaryDirectory() as folder:
        numbers = count()
        for _ in range(rounds):
            for (name, processes), times in found.items():
                where = [Path(folder) / str(next(numbers)) for _ in range(processes)]
                times.append(_milliseconds(where, COUNTS[name], cells))
    said = {1: "alone", 2: "two at once"}
    return [
        Figure(f"a cell's denoising and decoding, ms, GOMP_SPINCOUNT={name}, {said[processes]}", times, "")
        for (name, processes), times in found.items()
    ]


def _milliseconds(where: list[Path], spins: str, cells: int) -> float:
    """Return what the cells take that are done in time, infinity if none is."""
    env = environment({"GOMP_SPINCOUNT": spins, "OMP_NUM_THREADS": str(os.cpu_count()), "TCDFLOW_WARM": "0"})
    command = [sys.executable, "-m", "tcdflow", "-m", f"sampling.seed=range({cells})"]
    with ExitStack() as running:
        processes = [
            running.enter_context(started([*command, f"hydra.sweep.dir={directory}"], env)) for directory in where
        ]
        deadline = time.monotonic() + _PATIENCE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                assert process.wait(max(0.0, deadline - time.monotonic())) == 0
    records = [document.read(path.parent) for directory in where for path in directory.rglob("run.json")]
    seconds = [record.execution["seconds"] for record in records if record.status == "done"]
    return 1000 * mean(one["denoise"] + one["decode"] for one in seconds) if seconds else math.inf
