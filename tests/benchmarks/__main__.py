"""Run the benchmarks named, or all that are short and install nothing, and print one table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import (
    batches,
    full,
    gallery,
    gpu,
    overhead,
    peers,
    plan,
    process,
    ray,
    resume,
    scale,
    second,
    spins,
    sweep,
    warm,
)
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
    "spins": spins.run,
    "scale": scale.run,
    "gpu": gpu.run,
    "full": full.run,
    "full.run": full.run_one,
    "full.sweep": full.run_sweep,
    "full.hash": full.run_hash,
}


PEERS = "peers"
LONG = {"scale", "full", "full.run", "full.sweep", "full.hash"}
"""What is run by its name alone, since it takes ten minutes, or makes gigabytes of weights."""


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
    for name in arguments.names or [name for name in BENCHMARKS if name not in LONG]:
        rows += BENCHMARKS[name]()
    print(show(rows))


main()
