"""The cells of a plan as runs: by their records, or as far as the plan knows them."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from tcdflow.errors import ConfigError
from tcdflow.gallery import runs
from tcdflow.gallery.data import Status
from tcdflow.gallery.runs import Run
from tcdflow.record.settings import settings
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import CELLS, Cell, Plan, with_values
from tcdflow.text import first_line

NOT_MADE = "not made yet"


def read(plan: Plan, directory: Path, cell: Cell) -> Run:
    """Return a cell by its record. One that belongs to another run, or lies behind a link, is a reason, and not shown.

    Args:
        plan: of the sweep.
        directory: of the sweep.
        cell: of the plan.
    """
    where = cell_path(directory, cell)
    if (reason := _lost(directory / CELLS) or _lost(where)) is not None:
        return absent(plan, where, cell, reason)
    return _fitting(plan, where, cell, runs.read(where))


def of_outcome(plan: Plan, directory: Path, outcome: Outcome) -> Run:
    """Return a cell whose outcome is known to the process that runs the sweep."""
    where = cell_path(directory, outcome.cell)
    if outcome.status == "left" or (outcome.record is None and outcome.reason is None):
        return absent(plan, where, outcome.cell, NOT_MADE)
    if outcome.record is None:
        return absent(plan, where, outcome.cell, outcome.reason, "failed")
    return _fitting(plan, where, outcome.cell, runs.of_record(where, outcome.record))


def absent(plan: Plan, where: Path, cell: Cell, reason: str | None, status: Status = "missing") -> Run:
    """Return a cell that has no record, as its plan has it."""
    try:
        plain = plan.spec(cell).model_dump(mode="json")
    except ConfigError:  # of a plan that tcdflow did not make
        plain = with_values(plan.templates[cell.template], cell.values)
    return Run(where, status, reason, cell.key, settings(plain), runs.own(plan.overrides_of(cell)))


def _fitting(plan: Plan, where: Path, cell: Cell, run: Run) -> Run:
    if run.key not in (cell.key, None):
        return absent(plan, where, cell, "its record is of another run than the plan's")
    # One that failed before its files were known has no key yet.
    return replace(run, key=cell.key) if run.settings else absent(plan, where, cell, run.reason)


def _lost(path: Path) -> str | None:
    """Say why a directory is not read; None if it is."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return NOT_MADE
    except (OSError, ValueError) as error:
        return first_line(error)
    if stat.S_ISLNK(mode):
        return f"{path.name} is a link, which may lead anywhere"
    return None if stat.S_ISDIR(mode) else f"{path.name} is not a directory"
