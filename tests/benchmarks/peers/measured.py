"""What was measured so far: each figure is told as it comes, and the table can be made at any time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Literal, get_args

from tests.benchmarks.peers.subject import Job, Subject
from tests.benchmarks.peers.work import A_SEED, FIRST, OTHERS, PROMPTS, difference
from tests.benchmarks.spend import Spent

Kind = Literal["one", "again", "cells"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_PATIENCE = 300.0
"""Seconds that a subject gets for one image, or for a sweep."""


class Measured:
    """Figures of subjects, and what went wrong with them.

    Args:
        subjects: of which the first is what images are compared with.
        folder: for images.
        cells: of a sweep; a multiple of 16.
        seconds: after which nothing is measured a second time that would not end within them.
    """

    def __init__(self, subjects: Sequence[Subject], folder: Path, cells: int, seconds: float) -> None:
        self._subjects = subjects
        self._folder = folder
        self._cells = cells
        self._end = time.monotonic() + seconds
        self._spent: dict[tuple[str, Kind], list[Spent]] = {}
        self._failures: dict[tuple[str, Kind], str] = {}
        self._sameness: dict[str, str] = {}

    def take(self, kind: Kind, number: int) -> None:
        """Give every subject its turn, so that slow spells meet all of them."""
        for subject in self._subjects:
            made: Callable[[Job], Spent] | None = getattr(subject, kind)
            key = subject.name, kind
            spent = self._spent.setdefault(key, [])
            if made is None or key in self._failures or (spent and time.monotonic() + spent[-1].wall > self._end):
                continue
            try:
                spent.append(self._once(subject, made, kind, number))
                told = f"{spent[-1].wall:.2f} s, CPU {spent[-1].cpu:.1f} s"
            except Exception as error:
                told = self._failures[key] = f"failed: {(str(error).splitlines() or [type(error).__name__])[0]}"
            say(f"{kind} {number + 1}: {subject.name}: {told}")

    def _once(self, subject: Subject, made: Callable[[Job], Spent], kind: Kind, number: int) -> Spent:
        where = self._folder / subject.slug / f"{kind}_{number}"
        where.mkdir(parents=True)
        spent = made(self._job(kind, number, where))
        images = sorted(where.rglob("*.png"))
        wanted = self._cells if kind == "cells" else 1
        if len(images) != wanted:
            raise RuntimeError(f"made {len(images)} images, not {wanted}")
        if kind == "one":
            reference = self._folder / self._subjects[0].slug / "one_0" / FIRST
            self._sameness[subject.name] = difference(images[0], reference) if reference.exists() else ""
        return spent

    def _job(self, kind: Kind, number: int, where: Path) -> Job:
        deadline = time.monotonic() + _PATIENCE
        if kind == "cells":  # with seeds of their own in each round, for those who would remember what they made
            first = 10 * (number + 1)
            return Job(PROMPTS[0], range(first, first + self._cells // A_SEED), where, deadline)
        if kind == "again":
            return Job(OTHERS[number % len(OTHERS)], [1 + number], where, deadline)
        return Job(PROMPTS[0], [0], where, deadline)

    def table(self) -> list[str]:
        """Return the table in Markdown, of what was measured by now."""
        walls = f"first image, s | a second command, s | {self._cells} cells, s"
        return [
            f"| | {walls} | CPU s: image, second, cells | image |",
            "|---|---|---|---|---|---|",
            *(self._row(subject) for subject in self._subjects),
        ]

    def _row(self, subject: Subject) -> str:
        if subject.failure:
            return f"| {subject.name} | {subject.failure} | | | | |"
        walls = " | ".join(self._wall(subject.name, kind) for kind in KINDS)
        parts = [self._spent.get((subject.name, kind)) for kind in KINDS]
        cpu = ", ".join(f"{median(one.cpu for one in part):.1f}" if part else "-" for part in parts)
        return f"| {subject.name} | {walls} | {cpu} | {self._sameness.get(subject.name, '')} |"

    def _wall(self, name: str, kind: Kind) -> str:
        walls = [one.wall for one in self._spent.get((name, kind), [])]
        spread = f" ({min(walls):.2f} to {max(walls):.2f})" if len(walls) > 1 else ""
        told = [f"{median(walls):.2f}{spread}"] if walls else []
        return "; ".join([*told, *filter(None, [self._failures.get((name, kind))])]) or "-"


def say(text: str) -> None:
    """Tell on standard error what is going on."""
    print(f"peers: {text}", file=sys.stderr, flush=True)
