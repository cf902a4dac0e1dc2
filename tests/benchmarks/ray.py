"""Two Ray workers with one thread each against one process with two threads, on the same two cores and cells.

What the first ratio shows is how well the work of one image spreads over threads: much of the embedded model is too
small to be split, so that the second thread of one process gains little, or costs more than it gains (the third row
says it), while a second process has a whole image of its own to make. Two workers can at best be twice as fast as
one process with one thread. Against that stands what they cost before the first image, which the second row has in
it: Ray itself is started for each sweep, and each worker imports torch and loads the base. So on the CPU of one
machine Ray pays once a sweep is long, and with large models, whose layers keep all threads busy, hardly at all. What
it is meant for are several GPUs and machines.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time

from tests.benchmarks.table import Row
from tests.helpers import environment

CELLS = 60
ROUNDS = 3
WORKERS = 2


def run() -> list[Row]:
    """Alternate whole commands."""
    numbers = itertools.count()
    kinds = {
        "ray": (1, ["hydra/launcher=ray", f"hydra.launcher.workers={WORKERS}", "hydra.launcher.threads=1"]),
        "two": (2, []),
        "one": (1, []),
    }
    cells: dict[str, list[float]] = {kind: [] for kind in kinds}
    whole: dict[str, list[float]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for kind, (threads, words) in kinds.items():
                command = [f"sampling.seed=range({CELLS})", f"hydra.sweep.dir={folder}/{next(numbers)}", *words]
                a_cell, all_of_it = _timed(command, threads)
                cells[kind].append(a_cell)
                whole[kind].append(all_of_it)
    return [
        Row("a cell on 2 Ray workers of 1 thread, seconds, against 1 process of 2 threads", cells["ray"], cells["two"]),
        Row(f"{CELLS} cells so, the whole command, seconds", whole["ray"], whole["two"]),
        Row("a cell in 1 process of 2 threads, seconds, against 1 thread", cells["two"], cells["one"]),
    ]


def _timed(words: list[str], threads: int) -> tuple[float, float]:
    """Return the seconds of a cell once all is loaded, and of the whole command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tcdflow", "-m", *words],
        env=environment({"OMP_NUM_THREADS": str(threads)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    ends = [time.perf_counter() for _ in process.stdout]  # a line an image
    assert process.wait() == 0 and len(ends) == CELLS
    # From where every worker has made some cells, to where none is without one yet.
    first, last = 5 * WORKERS, CELLS - WORKERS
    return (ends[last] - ends[first]) / (last - first), time.perf_counter() - start
