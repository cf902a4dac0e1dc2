"""Run the benchmarks named, or all that install nothing, and print one table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import batches, gallery, gpu, overhead, peers, plan, process, ray, resume, second, sweep, warm
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


PEERS = "peers"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; alone: {PEERS}")
    parser.add_argument("--venvs", type=Path, help=f"for {PEERS}: a folder that keeps what is installed")
    arguments = parser.parse_args()
    if arguments.names == [PEERS]:
        print(peers.run(arguments.venvs))
        return
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}; alone: {PEERS}")
    rows: list[Row | Figure] = []
    for name in arguments.names or list(BENCHMARKS):
        rows += BENCHMARKS[name]()
    print(show(rows))


main()
