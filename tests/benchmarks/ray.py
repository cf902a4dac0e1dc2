"""Two Ray workers with one thread each against one process with two threads, on the same two cores and cells.

What the ratio shows is how well one picture's own work spreads over threads. Of the embedded model's small layers much
is too small to be split, so that the second thread of one process gains little, while a second process has a whole
picture of its own to make. The third row says by how much a second thread speeds one process up: two workers cannot
be faster than twice that process with one thread. Against it stands what a worker costs before its first picture: a
process of its own that imports torch and loads the base, and Ray itself, which is started for each sweep. So Ray pays
on one machine's CPU once a sweep is long, and with larger models, whose layers keep both threads busy, hardly at all;
what it is meant for are several GPUs and machines.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tcdflow.app import WarmEngine
from tcdflow.spec.compose import Composer
from tcdflow.sweep import planner
from tcdflow.sweep.outcome import Outcome
from tcdflow.sweep.ray_cluster import RaySettings
from tcdflow.sweep.ray_runner import RayRunner
from tcdflow.sweep.runner import Runner, pending
from tests.benchmarks.table import Row

CELLS = 60
ROUNDS = 3
WORKERS = 2


def run() -> list[Row]:
    """Alternate whole sweeps; the process has its engine warm, the workers have been through their first cells."""
    plan = planner.make(Composer(), [f"sampling.seed=range({CELLS})"]).plan
    engine = WarmEngine()
    threads = torch.get_num_threads()
    numbers = itertools.count()
    cells: dict[str, list[float]] = {"ray": [], "two": [], "one": []}
    whole: dict[str, list[float]] = {"ray": [], "two": [], "one": []}

    def on_ray(where: Path) -> Iterator[Outcome]:
        return RayRunner(plan, where, RaySettings(workers=WORKERS, threads=1)).run(pending(plan, where))

    def here(where: Path) -> Iterator[Outcome]:
        return Runner(plan, where, engine).run(pending(plan, where))

    def once(name: str, make: Callable[[Path], Iterator[Outcome]], folder: str) -> None:
        where = Path(folder) / str(next(numbers))
        plan.write(where)
        start = time.perf_counter()
        ends = []
        for outcome in make(where):
            assert outcome.status == "done"
            ends.append(time.perf_counter())
        whole[name].append(time.perf_counter() - start)
        # From where every worker has made some cells and loaded all, to where none is without one yet.
        first, last = 5 * WORKERS, len(ends) - WORKERS
        cells[name].append((ends[last] - ends[first]) / (last - first))

    with tempfile.TemporaryDirectory() as folder:
        plan.write(Path(folder) / "warm")
        list(here(Path(folder) / "warm"))
        for _ in range(ROUNDS):
            once("ray", on_ray, folder)
            for count, name in ((2, "two"), (1, "one")):
                torch.set_num_threads(count)
                try:
                    once(name, here, folder)
                finally:
                    torch.set_num_threads(threads)
    return [
        Row(
            "a cell on two Ray workers of a thread each, seconds, against one process of two",
            cells["ray"],
            cells["two"],
        ),
        Row(f"{CELLS} cells so, start of Ray and its workers included, seconds", whole["ray"], whole["two"]),
        Row("a cell in one process of two threads, seconds, against one of one", cells["two"], cells["one"]),
    ]
