"""Run the benchmarks named, or all of them, and print one table."""

from __future__ import annotations

import sys

from tests.benchmarks import process, warm
from tests.benchmarks.table import Row, show

BENCHMARKS = {"process": process.run, "warm": warm.run}


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    for name in names or list(BENCHMARKS):
        rows += BENCHMARKS[name]()
    print(show(rows))


main(sys.argv[1:])
