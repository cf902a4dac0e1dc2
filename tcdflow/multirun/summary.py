"""What a sweep leaves beside its cells, taken cell by cell: tables, the page, the folder of images, what runs took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tcdflow.gallery.live import Ended, LivePage
from tcdflow.request import timings
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import flat, results
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.runner import pending

_TIMED = 100
"""Runs, from all over a long sweep, that tell how long their kind takes: thousands tell no more."""


class Summary:
    """Of a sweep that this process runs. It keeps rows and what the page shows, and no records, which are large.

    Args:
        plan: of the sweep.
        directory: of the sweep; the caller holds it.

    Attributes:
        page: of the sweep.
        warnings: of the runs that were made.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self.page = LivePage(plan, directory)
        self.warnings: dict[str, None] = {}
        self._table = results.Table(plan, directory)
        self._images = flat.Folder(directory) if plan.settings.flat else None
        self._outcomes: dict[str, Outcome] = {}
        self._took: list[timings.Took] = []
        self._left = self._made = 0

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of each cell, without its record, in the order in which they were first taken."""
        return list(self._outcomes.values())

    def found(self, outcomes: Iterable[Outcome]) -> None:
        """Take how the cells are found as the sweep begins."""
        for outcome in outcomes:
            self._take(outcome)
        self._left = sum(outcome.status == "left" for outcome in self.outcomes)

    def made(self, outcome: Outcome) -> None:
        """Take what became of a cell that was left."""
        self._take(outcome)
        if (record := outcome.record) is not None:
            self.warnings.update(dict.fromkeys(record.warnings))
            if self._made % max(1, self._left // _TIMED) == 0:
                self._took += timings.took(RunSpec.model_validate(record.spec), record)
            self._made += 1

    def look_again(self) -> None:
        """Take how the cells are found that seem to be left: an interrupt may come between any two steps."""
        left = {outcome.cell.name for outcome in self.outcomes if outcome.status == "left"}
        for outcome in pending(self._plan, self._directory, among=left):
            self._take(outcome)

    def _take(self, outcome: Outcome) -> None:
        self._table.take(outcome)
        if self._images is not None:
            self._images.take(outcome)
        self.page.take(outcome)
        self._outcomes[outcome.cell.name] = replace(outcome, record=None)  # last: a cell that is half taken is left

    def write(self, *, whole: bool) -> Ended:
        """Write it down as the sweep ends, and return its page.

        Args:
            whole: the sweep was not interrupted.

        Raises:
            OutputError: if the tables or the folder of images cannot be written.
        """
        self._table.write()
        if self._images is not None:
            self._images.write()
        timings.remember(self._took)
        return self.page.end(whole=whole)
