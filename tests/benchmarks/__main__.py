"""Run the benchmarks named, or all of them, and print one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from tests.benchmarks import batches, gallery, gpu, overhead, plan, process, ray, resume, second, sweep, warm
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


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    rows: list[Row | Figure] = []
    for name in names or list(BENCHMARKS):
        rows += BENCHMARKS[name]()
    print(show(rows))


main(sys.argv[1:])
