"""The page of a sweep, written while it runs: now and then, for a hundredth of the time at the most."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tcdflow.errors import ConfigError, OutputError, RecordError, TcdflowError
from tcdflow.gallery import cells
from tcdflow.gallery import ratings as rated
from tcdflow.gallery.find import Found, find, of_plan
from tcdflow.gallery.runs import Run
from tcdflow.gallery.write import INDEX, Writer, check, gallery, table
from tcdflow.sweep.outcome import Outcome
from tcdflow.sweep.plan import Plan

log = logging.getLogger(__name__)

_LEAST = 3.0
"""Seconds between two pages."""
_SHARE = 100
"""Times that a page has taken to write, until the next one."""
_PATIENCE = 20.0
"""Seconds that thumbnails may take at the end of any sweep."""


@dataclass(frozen=True)
class Ended:
    """The page of a sweep that has ended, if it has one, and what kept it from being written."""

    page: Path | None
    problem: TcdflowError | None = None


class LivePage:
    """The page of a sweep that this process runs. What is wrong with the page is no reason for the sweep to stop.

    Args:
        plan: of the sweep.
        directory: of the sweep; the caller holds it.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._runs: dict[str, Run] = {}
        self._taken: dict[str, Outcome] = {}
        self._writer = Writer(directory / INDEX) if wanted(plan) else None
        self._due = 0.0
        self._start = self._latest = time.monotonic()
        self._failed = False

    def begin(self, outcomes: Iterable[Outcome]) -> None:
        """Write the page as the sweep begins, unless there is nothing left to make.

        Args:
            outcomes: of all cells, most of which are yet to be made.
        """
        listed = list(outcomes)
        if self._writer is not None and any(outcome.status == "left" for outcome in listed):
            self._take(listed)
            self._write_live()

    def advance(self, outcome: Outcome) -> None:
        """Take what became of a cell, and write the page if it is time to."""
        if self._writer is not None:
            self._take([outcome])
            if time.monotonic() >= self._due:
                self._write_live()

    def end(self, outcomes: Iterable[Outcome], *, whole: bool) -> Ended:
        """Write the page, and the table of images, as the sweep ends.

        Args:
            outcomes: of all cells.
            whole: make the thumbnails; a sweep that was interrupted is not to be waited for. Those that would take over
                a fiftieth of the sweep's time are left to ``tcdflow gallery``: the page shows the images themselves.
        """
        self._take(outcomes)
        found, writer = self._found(), self._writer
        if writer is None:
            return _ended(lambda: table(found, self._directory, rated.of_directory(self._directory)), None)
        seconds = max(_PATIENCE, (time.monotonic() - self._start) / 50) if whole else 0.0
        return _ended(lambda: _write(writer, found, seconds=seconds), writer.page)

    def _take(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            name = outcome.cell.name
            if self._taken.get(name) is not outcome:
                self._runs[name] = cells.of_outcome(self._plan, self._directory, outcome)
                self._taken[name] = outcome

    def _found(self) -> Found:
        return of_plan(self._plan, [self._runs[cell.name] for cell in self._plan.cells])

    def _write_live(self) -> None:
        if self._writer is None or self._failed:
            return
        start = time.monotonic()
        writer, seconds = self._writer, (start - self._latest) / _SHARE / 2  # the other half is for the page
        ended = _ended(lambda: _write(writer, self._found(), running=True, seconds=seconds), writer.page)
        if ended.problem is not None:  # told at the end, if it is still so
            log.warning("%s", ended.problem)
            self._failed = True
        self._latest = time.monotonic()
        self._due = self._latest + max(_LEAST, _SHARE * (self._latest - start))


def end_of(directory: Path, *, page: bool) -> Ended:
    """Write the page, and the table of images, of a sweep that no plan holds together, as it ends.

    Args:
        directory: of the sweep.
        page: whether there is to be one.
    """
    if page:
        return _ended(lambda: gallery([directory]), directory / INDEX)
    return _ended(lambda: table(find([directory]), directory, rated.of_directory(directory)), None)


def _write(writer: Writer, found: Found, *, running: bool = False, seconds: float | None = None) -> None:
    check(writer.page)
    writer.write(found, rated.of_directory(writer.page.parent), running=running, seconds=seconds)


def _ended(write: Callable[[], object], page: Path | None) -> Ended:
    try:
        write()
    except (OutputError, ConfigError, RecordError) as error:
        return Ended(None, error)
    return Ended(page)


def wanted(plan: Plan) -> bool:
    """Say whether a sweep is to write its page: ``output.gallery`` of any of its cells."""
    settings = [plan.templates[cell.template].get("output") for cell in plan.cells]
    return any(
        cell.values.get("output.gallery", output.get("gallery", True) if isinstance(output, dict) else True)
        is not False
        for cell, output in zip(plan.cells, settings, strict=True)
    )
