"""Run the benchmarks named, or all that are short and install nothing, and print one table."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from inspect import signature
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
from tests.benchmarks.peers.work import A_SEED
from tests.benchmarks.table import Figure, Row, brief, show

BENCHMARKS: dict[str, Callable[..., Iterable[Row | Figure]]] = {
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
    known = [*BENCHMARKS, PEERS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; alone: {PEERS}")
    options = parser.add_argument_group("for those that have it", argument_default=argparse.SUPPRESS)
    options.add_argument("--rounds", type=_count, help="how often each is measured")
    options.add_argument("--cells", type=_count, help=f"of a sweep; with {PEERS} a multiple of {A_SEED}")
    options.add_argument("--minutes", type=float, help=f"{PEERS}: after which nothing is measured a second time")
    options.add_argument("--venvs", type=Path, help=f"{PEERS}: a folder that keeps what is installed")
    options.add_argument("--base", choices=("sd15", "sdxl"), help="full: of the real size, by default SD 1.5")
    given = vars(parser.parse_args())
    names = given.pop("names") or [name for name in BENCHMARKS if name not in LONG]
    if unknown := set(names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if PEERS in names and len(names) > 1:
        parser.error(f"{PEERS} runs alone")
    takes = {name: signature(BENCHMARKS.get(name, peers.run)).parameters for name in names}
    if useless := [option for option in given if not any(option in taken for taken in takes.values())]:
        parser.error(f"not for {', '.join(names)}: --{', --'.join(useless)}")
    if PEERS in names and given.get("cells", A_SEED) % A_SEED:
        parser.error(f"--cells {given['cells']}: {PEERS} makes {A_SEED} with each seed: a multiple of {A_SEED}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started ends with its block
    if names == [PEERS]:
        print(peers.run(**given))
        return
    rows: list[Row | Figure] = []
    for name in names:
        for row in BENCHMARKS[name](**{option: value for option, value in given.items() if option in takes[name]}):
            rows.append(row)
            print(brief(row), file=sys.stderr, flush=True)  # which stays if the rest is never measured
    print(show(rows))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


main()
