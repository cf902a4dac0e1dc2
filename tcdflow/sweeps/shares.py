"""Distributes batches over workers: each gets neighbours, which share what is loaded, and later takes from others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_GIVE = 4
"""A cut may lie off the middle by a fourth of what is cut, to fall where much has to be loaded anyway."""


class Shares(Generic[T]):
    """Hands out tasks.

    Args:
        tasks: in the order of the plan, in which neighbours share the most.
        costs: of each, what has to be loaded or set for it, the costliest first (:func:`tcdflow.sweeps.order.costs`).
        workers: how many there are.
    """

    def __init__(self, tasks: Sequence[T], costs: Sequence[tuple[Any, ...]], workers: int) -> None:
        self._tasks = tasks
        self._costs = costs
        ends = cuts(costs, workers)
        starts = [0, *ends]
        stops = [*ends, len(tasks)]
        self._own = [deque(range(start, stop)) for start, stop in zip(starts, stops, strict=True)]
        self._own += [deque() for _ in range(workers - len(self._own))]
        self._latest: list[tuple[Any, ...] | None] = [None] * workers
        self._returned: deque[T] = deque()
        self._absent: set[int] = set()

    def __bool__(self) -> bool:
        """Whether any task is left."""
        return bool(self._returned) or any(self._own)

    def join(self) -> int:
        """Add a worker, which takes from the others, and return its number."""
        self._own.append(deque())
        self._latest.append(None)
        return len(self._own) - 1

    def leave(self, worker: int) -> None:
        """Let others have all of a worker's tasks until it takes one again: it died, and may not come back."""
        self._absent.add(worker)
        self._latest[worker] = None

    def take(self, worker: int) -> T | None:
        """Return a worker's next task, or None if none is left for anyone."""
        own = self._own[worker]
        self._absent.discard(worker)
        if not own:
            self._steal(worker)
        if own:
            number = own.popleft()
            self._latest[worker] = self._costs[number]
            return self._tasks[number]
        return self._returned.popleft() if self._returned else None

    def give_back(self, task: T) -> None:
        """Take back a task whose worker died: it comes last, lest it takes more workers along before the rest is made.

        Tasks that were given back have no neighbours any more.
        """
        self._returned.append(task)

    def _steal(self, worker: int) -> None:
        """Take the later part of another worker's tasks: those whose costliest part is loaded here, or the most."""
        others = [
            share
            for owner, share in enumerate(self._own)
            if share and (len(share) > 1 or owner in self._absent or self._loaded(worker, share[0]) > 1)
        ]
        if not others:
            return  # whoever has it loaded makes a single one sooner
        share = max(others, key=lambda share: (self._loaded(worker, share[-1]) > 0, len(share)))
        (end,) = cuts([self._costs[number] for number in share], 2) or [0]
        while len(share) > end:
            self._own[worker].appendleft(share.pop())

    def _loaded(self, worker: int, number: int) -> int:
        """Return 0 if a worker would have to load the costliest thing for a task, 2 if next to nothing."""
        latest = self._latest[worker]
        if latest is None:
            return 0
        depth = _depth(latest, self._costs[number])
        return 2 if depth >= len(latest) - 1 else min(depth, 1)


def cuts(costs: Sequence[tuple[Any, ...]], parts: int) -> list[int]:
    """Return where to cut a row of tasks into about equal parts, each at the costliest change near its place.

    Args:
        costs: of the tasks, in order.
        parts: how many; no more than there are tasks.

    Returns:
        Positions of the first task of each part but the first, rising.
    """
    count = len(costs)
    parts = min(parts, count)
    found: list[int] = []
    for part in range(1, parts):
        ideal = part * count / parts
        slack = count / parts / _GIVE
        low = max((found[-1] if found else 0) + 1, round(ideal - slack))
        high = min(count - (parts - part), round(ideal + slack))
        places = range(low, max(low, high) + 1)
        found.append(min(places, key=lambda place: (_depth(costs[place - 1], costs[place]), abs(place - ideal))))
    return found


def _depth(before: tuple[Any, ...], after: tuple[Any, ...]) -> int:
    """Return how deep in the costs the first change is: 0 is the costliest."""
    return next((depth for depth, (a, b) in enumerate(zip(before, after, strict=True)) if a != b), len(before))
