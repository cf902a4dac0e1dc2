"""One of those that are compared, and the job that it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.spend import Spent


@dataclass(frozen=True)
class Job:
    """An image to make, or a sweep.

    Attributes:
        prompt: of the image; it is a new one where the command is a second one.
        seeds: of the sweep; an image has the first one.
        where: an empty folder for what is made.
        deadline: when it has to be there, as :func:`time.monotonic` has it.
    """

    prompt: str
    seeds: Sequence[int]
    where: Path
    deadline: float

    @property
    def left(self) -> float:
        """Seconds until its deadline."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass
class Subject:
    """A way to make images.

    Attributes:
        name: as the table has it.
        one: makes an image from nothing: what it needs is started for it, and ends or stays.
        again: makes another one, in what is running by then.
        cells: makes the sweep, in what is running by then.
        failure: why there are no figures at all.
    """

    name: str
    one: Callable[[Job], Spent] | None
    again: Callable[[Job], Spent] | None
    cells: Callable[[Job], Spent] | None
    failure: str | None = None

    @property
    def slug(self) -> str:
        """Its name as a folder."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)
