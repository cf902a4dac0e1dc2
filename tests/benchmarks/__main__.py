"""Run the benchmarks named, or all of them, and print one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from tests.benchmarks import batches, full, gallery, gpu, overhead, plan, process, ray, resume, second, sweep, warm
from tests.benchmarks.table import Figure, Row, show

BENCHMARKS: dict[str, Callable[[], Sequence[Row | Figure]]] = {
    "process": process.run,
    "second": second.run,
    "warm": warm.run,
    "plan": plan.run,
    "resume": resume.run,
    "sweep": sweep.run,
    "batches": batches.run,
    "gallery": gallery.run,
    "overhead": overhead.run,
    "ray": ray.run,
    "gpu": gpu.run,
}
LARGE: dict[str, Callable[[], Sequence[Row | Figure]]] = {
    "full": full.run,
    "full.run": full.run_one,
    "full.sweep": full.run_sweep,
    "full.hash": full.run_hash,
}
"""Those that make gigabytes of weights, and are run only when they are named."""


def main(names: list[str]) -> None:
    known = BENCHMARKS | LARGE
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows: list[Row | Figure] = []
    for name in names or list(BENCHMARKS):
        rows += known[name]()
    print(show(rows))


main(sys.argv[1:])
