"""The page of a sweep, written while it runs: now and then, for a hundredth of the time at the most."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tcdflow.errors import TcdflowError
from tcdflow.gallery import cells
from tcdflow.gallery import ratings as rated
from tcdflow.gallery.current import is_current
from tcdflow.gallery.find import Found, find, of_plan
from tcdflow.gallery.runs import Run
from tcdflow.gallery.write import INDEX, Writer, check, gallery, table
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan
from tcdflow.text import reason

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
    problem: str | None = None


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
        self._writer = Writer(directory / INDEX) if wanted(plan) else None
        self._due = 0.0
        self._start = self._latest = time.monotonic()
        self._failed = False
        self._lost: dict[str, Exception] = {}

    def kept(self) -> Ended | None:
        """Return the page of a sweep that has ended if nobody touched it since; None if it is to be written."""
        page = self._writer.page if self._writer else None
        return Ended(page) if is_current(self._plan, self._directory, page) else None

    def take(self, outcome: Outcome) -> None:
        """Take what became of a cell, or how it was found as the sweep begins."""
        try:
            self._runs[outcome.cell.name] = cells.of_outcome(self._plan, self._directory, outcome)
            self._lost.pop(outcome.cell.name, None)
        except Exception as error:  # told at the end, if it is still so
            self._lost[outcome.cell.name] = error

    def advance(self) -> None:
        """Write the page of a sweep that runs if it is time to."""
        if self._writer is not None and not self._failed and time.monotonic() >= self._due:
            # What goes wrong is told at the end, if it is still so.
            self._failed = _ended(self._write_live, None).problem is not None

    def end(self, *, whole: bool) -> Ended:
        """Write the page, and the table of images, as the sweep ends.

        Args:
            whole: make the thumbnails; a sweep that was interrupted is not to be waited for. Those that would take over
                a fiftieth of the sweep's time are left to ``tcdflow gallery``: the page shows the images themselves.
        """

        def write() -> None:
            if self._writer is None:
                table(self._found(), self._directory, rated.of_directory(self._directory))
            else:
                self._write(seconds=max(_PATIENCE, (time.monotonic() - self._start) / 50) if whole else 0.0)

        return _ended(write, self._writer.page if self._writer else None)

    def _write_live(self) -> None:
        start = time.monotonic()
        self._write(running=True, seconds=(start - self._latest) / _SHARE / 2)  # the other half is for the page
        self._latest = time.monotonic()
        self._due = self._latest + max(_LEAST, _SHARE * (self._latest - start))

    def _found(self) -> Found:
        for error in self._lost.values():
            raise error
        return of_plan(self._plan, [self._runs[cell.name] for cell in self._plan.cells])

    def _write(self, *, seconds: float, running: bool = False) -> None:
        assert self._writer is not None
        check(self._writer.page)
        self._writer.write(self._found(), rated.of_directory(self._directory), running=running, seconds=seconds)


def end_of(directory: Path, *, page: bool) -> Ended:
    """Write the page, and the table of images, of a sweep that no plan holds together, as it ends.

    Args:
        directory: of the sweep.
        page: whether there is to be one.
    """
    if page:
        return _ended(lambda: gallery([directory]), directory / INDEX)
    return _ended(lambda: table(find([directory]), directory, rated.of_directory(directory)), None)


def _ended(write: Callable[[], object], page: Path | None) -> Ended:
    """Write, and return what went wrong, whatever it is: hours of a sweep are worth more than its page.

    It goes into the log alone. The caller tells the user, unless the sweep itself has failed.
    """
    try:
        write()
    except TcdflowError as error:
        log.info("no page: %s", error)
        return Ended(None, str(error))
    except Exception as error:
        log.info("no page", exc_info=error)
        return Ended(None, reason(error))
    return Ended(page)


def wanted(plan: Plan) -> bool:
    """Say whether a sweep is to write its page: ``output.gallery`` of any of its cells."""
    settings = [plan.templates[cell.template].get("output") for cell in plan.cells]
    return any(
        cell.values.get("output.gallery", output.get("gallery", True) if isinstance(output, dict) else True)
        is not False
        for cell, output in zip(plan.cells, settings, strict=True)
    )
