"""Finds runs in directories: a run, a planned sweep, or all that lies below. Links are not followed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tcdflow.errors import RecordError
from tcdflow.gallery import cells, distillations
from tcdflow.gallery.axes import Placed
from tcdflow.gallery.plan_axes import placed
from tcdflow.gallery.runs import Run, read
from tcdflow.record import document
from tcdflow.record.data import is_directory
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.plan import Plan
from tcdflow.text import about, first_line

MAX_RUNS = 100_000
_DEEPEST = 32


@dataclass(frozen=True)
class Found:
    """What is to be shown.

    Attributes:
        identity: of it, the same when it is written again: names what a browser keeps.
        runs: in order.
        axes: what varies, where one plan says so; None where the runs have to tell.
        places: of each run on each of these axes.
        notes: what a person should be told.
    """

    identity: str
    runs: Sequence[Run]
    axes: Sequence[Placed] | None = None
    places: Sequence[tuple[int, ...]] = ()
    notes: list[str] = field(default_factory=list)


def find(directories: Sequence[Path]) -> Found:
    """Read what is in directories.

    Raises:
        RecordError: if one is no directory, holds no run, or more than are shown at once.
    """
    for directory in directories:
        if not is_directory(directory):
            raise RecordError(
                about(directory, "is not a directory; name that of a run, of a sweep, or one with several")
            )
    if len(directories) == 1 and (directories[0] / plans.FILE_NAME).is_file():
        try:
            plan = plans.read(directories[0])
        except RecordError:  # told below
            return _below(directories)
        return of_plan(plan, [cells.read(plan, directories[0], cell) for cell in plan.cells])
    return _below(directories)


def of_plan(plan: Plan, runs: Sequence[Run]) -> Found:
    """Return a planned sweep, given the run of each of its cells."""
    axes, places = placed(plan)
    return Found(identity(cell.key for cell in plan.cells), runs, axes, places)


def identity(words: Iterable[str]) -> str:
    """Return one name for many, whatever their order."""
    return hashlib.sha256("\n".join(sorted(words)).encode("utf-8", "replace")).hexdigest()[:32]


def _below(directories: Sequence[Path]) -> Found:
    runs: list[Run] = []
    notes: list[str] = []
    seen: set[str] = set()
    for directory in directories:
        number = 0
        for number, run in enumerate(_walk(directory, notes), 1):
            if number > MAX_RUNS:
                raise RecordError(about(directory, f"holds more than {MAX_RUNS} runs; name a directory within it"))
            if len(directories) == 1:
                runs.append(run)
            elif (where := os.path.realpath(run.directory)) not in seen:  # outputs, and a sweep within it
                seen.add(where)
                runs.append(run)
        if number == 0:
            raise RecordError(about(directory, f"no run in it or below: none holds a {document.FILE_NAME}"))
    return Found(identity(path.resolve().name for path in directories), runs, notes=notes)


def _walk(directory: Path, notes: list[str], depth: int = 0) -> Iterator[Run]:
    """Yield the runs of a directory and of those below it, in the order of their names; numbers count as numbers."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: _natural(entry.name))
    except OSError as error:
        notes.append(f"{directory}: cannot be read: {error.strerror}")
        return
    names = {entry.name for entry in entries}
    if document.FILE_NAME in names:
        run = read(directory)
        if run.status == "missing" and document.is_distillation(directory):
            yield from distillations.read(directory)
        else:
            yield run
        return
    if plans.FILE_NAME in names:
        try:
            plan = plans.read(directory)
        except RecordError as error:
            notes.append(f"{first_line(error)}; shown by its records")
        else:
            yield from (cells.read(plan, directory, cell) for cell in plan.cells)
            return
    for entry in entries:
        if entry.is_symlink() and entry.is_dir():
            notes.append(f"{entry.path}: a link is not followed; name the directory that it leads to")
        elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and depth < _DEEPEST:
            yield from _walk(Path(entry.path), notes, depth + 1)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() and len(part) < 19 else (0, part) for part in re.split(r"(\d+)", name)]
