"""Kills, counted by what they hit, and the journal in which processes note what they begin and how often they compute.

A piece of the long tests is run by itself: ``TCDFLOW_KILLS=20 python -m pytest -m slow -s tests/faults -k fetch``, and
``TCDFLOW_KILLS_SEED`` chooses other moments.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Begun:
    """What a process has begun to make: the images of one call of the sampler.

    Attributes:
        pid: of the process.
        names: of the images.
        calls: of the denoiser since.
    """

    pid: int
    names: frozenset[str]
    calls: int = 0


def journal(path: Path) -> list[Begun]:
    """Read what processes have noted: each line was appended by one write, so that a kill cuts none."""
    begun: list[Begun] = []
    latest: dict[int, Begun] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        pid, what, *names = line.split()
        if what == "begin":
            latest[int(pid)] = Begun(int(pid), frozenset(names))
            begun.append(latest[int(pid)])
        else:
            latest[int(pid)].calls += 1
    return begun


def made_twice(begun: Iterable[Begun]) -> list[frozenset[str]]:
    """Return what was begun although it had been made: a process that goes on to the next has made the one before."""
    made: set[str] = set()
    latest: dict[int, Begun] = {}
    twice = []
    for one in begun:
        if one.pid in latest:
            made |= latest[one.pid].names
        latest[one.pid] = one
        if one.names <= made:
            twice.append(one.names)
    return twice


@dataclass
class Tally:
    """How many kills hit what.

    Attributes:
        chance: of when to kill.
        kills: that are wanted.
        hit: kills by what the process was at.
    """

    chance: random.Random
    kills: int
    hit: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """How many kills are still to come."""
        return self.kills - self.hit.total()

    def told(self, what: str) -> str:
        """One line of it."""
        phases = ", ".join(f"{number} {phase}" for phase, number in self.hit.most_common())
        return f"{what}: {self.hit.total()} kills: {phases}"


@contextmanager
def tally(what: str, few: int, many: int, request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Count the kills of a test, few of them in the ordinary suite, and print what they have hit."""
    slow = request.node.get_closest_marker("slow") is not None
    asked = int(os.environ.get("TCDFLOW_KILLS", many)) if slow else few
    seed = os.environ.get("TCDFLOW_KILLS_SEED", "11")
    counted = Tally(random.Random(f"{seed} {what}"), asked)
    yield counted
    if slow:
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{counted.told(what)}\n")


def needed(begun: Sequence[Begun]) -> dict[frozenset[str], int]:
    """Return how many calls of the denoiser each needs, from a journal without kills."""
    assert made_twice(begun) == []
    return {one.names: one.calls for one in begun}
