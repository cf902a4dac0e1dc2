"""tcdflow and its peers in one run: one image, 64 cells and a second command, each in an environment of its own.

``python -m tests.benchmarks peers [--venvs DIR]`` installs what it compares from package registries, by name, with
this repository's constraints, times all of it in alternation, and prints the versions and a table in Markdown. What
cannot be installed or started says why in its row.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.benchmarks.peers.environments import Environments
from tests.benchmarks.peers.subject import Job, Subject
from tests.benchmarks.peers.subjects import NOT_RUN, subjects
from tests.benchmarks.peers.work import CELLS, FIRST, difference
from tests.benchmarks.spend import Spent

ROUNDS = 3
SWEEPS = 2


def run(venvs: Path | None) -> str:
    """Install, measure, and return what ``docs/speed.md`` says of it.

    Args:
        venvs: where the environments are made, or lie from an earlier run; a temporary folder otherwise.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peers")))
        environments = Environments(venvs or folder / "venvs", _say)
        found = subjects(environments, folder, stack)
        once, again, swept = (_measured(found, folder, kind) for kind in ("one", "again", "cells"))
    lines = [
        "| | first image, s | a second command, s | 64 cells, s | CPU s: image, second, cells | image |",
        "|---|---|---|---|---|---|",
    ]
    for subject in found:
        if subject.failure:
            lines.append(f"| {subject.name} | {subject.failure} | | | | |")
            continue
        parts = [once[subject.name], again[subject.name], swept[subject.name]]
        cpu = ", ".join(f"{median(one.cpu for one in part):.1f}" if part else "-" for part in parts)
        walls = " | ".join(_wall(part) for part in parts)
        lines.append(f"| {subject.name} | {walls} | {cpu} | {subject.sameness} |")
    lines += [f"| {name} | not run: {why} | | | | |" for name, why in NOT_RUN.items()]
    return "\n".join([*lines, "", *environments.versions()])


def _measured(subjects: list[Subject], folder: Path, kind: str) -> dict[str, list[Spent]]:
    """Give every subject its turn, round after round, so that slow spells meet all of them."""
    spent: dict[str, list[Spent]] = {subject.name: [] for subject in subjects}
    for number in range(SWEEPS if kind == "cells" else ROUNDS):
        for subject in subjects:
            where = folder / "out" / subject.slug / f"{kind}_{number}"
            where.mkdir(parents=True)
            made: Callable[[Job], Spent] | None = getattr(subject, kind)
            if subject.failure or made is None:
                continue
            _say(f"{kind} {number + 1}: {subject.name}")
            try:
                spent[subject.name].append(made(Job.of(kind, number, where)))
                images = sorted(where.rglob("*.png"))
                wanted = CELLS if kind == "cells" else 1
                if len(images) != wanted:
                    raise RuntimeError(f"made {len(images)} images, not {wanted}")
                if kind == "one":
                    subject.sameness = difference(images[0], folder / "out" / subjects[0].slug / "one_0" / FIRST)
            except Exception as error:
                subject.failure = f"failed: {str(error).splitlines()[0]}"
    return spent


def _wall(spent: list[Spent]) -> str:
    if not spent:
        return "-"
    walls = [one.wall for one in spent]
    return f"{median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f})"


def _say(text: str) -> None:
    print(f"peers: {text}", file=sys.stderr, flush=True)
