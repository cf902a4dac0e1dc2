"""One of those that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.work import OTHERS, PROMPTS
from tests.benchmarks.spend import Spent


@dataclass(frozen=True)
class Job:
    """An image to make, or the folder of a sweep.

    Attributes:
        prompt: of the image; it is a new one where the command is a second one.
        seed: of the image, likewise; of a sweep the first, for those who would remember its cells.
        where: an empty folder for what is made.
    """

    prompt: str
    seed: int
    where: Path

    @classmethod
    def of(cls, kind: str, number: int, where: Path) -> Job:
        """Return the job of a round."""
        if kind == "again":
            return cls(OTHERS[number], 1 + number, where)
        return cls(PROMPTS[0], 10 * (number + 1) if kind == "cells" else 0, where)


@dataclass
class Subject:
    """A way to make images.

    Attributes:
        name: as the table has it.
        one: makes an image from nothing: what it needs is started for it, and ends or stays.
        again: makes another one, in what is running by then.
        cells: makes the sweep, in what is running by then.
        failure: why there are no figures.
        sameness: of the first image and the plain script's.
    """

    name: str
    one: Callable[[Job], Spent] | None
    again: Callable[[Job], Spent] | None
    cells: Callable[[Job], Spent] | None
    failure: str | None = None
    sameness: str = ""

    @property
    def slug(self) -> str:
        """Its name as a folder."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)
