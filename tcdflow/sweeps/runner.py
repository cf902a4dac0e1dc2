"""Runs a frozen plan in this process, on one warm engine; done cells are skipped, failures reported."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.record.atomic import flushed_behind
from tcdflow.sweeps.directory import state
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell, Plan
from tcdflow.sweeps.worker import Worker
from tcdflow.text import first_line

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.sampler import Step


def pending(
    plan: Plan, directory: Path, *, retry_failed: bool = False, among: Container[str] | None = None
) -> Iterator[Outcome]:
    """Yield how each cell is found, in order: done, failed or left.

    Args:
        plan: of the sweep.
        directory: of the sweep.
        retry_failed: leave cells too whose record says that they failed.
        among: names of the cells that are looked at; None for all.
    """
    for cell in plan.cells:
        if among is None or cell.name in among:
            yield _before(directory, cell, retry_failed)


def _before(directory: Path, cell: Cell, retry_failed: bool) -> Outcome:
    how, record = state(directory, cell)
    if how == "done":
        return Outcome(cell, "skipped", record)
    if how == "failed" and not retry_failed:
        reason = first_line(record.error.message) if record and record.error else None
        return Outcome(cell, "failed", record, reason)
    return Outcome(cell, "left", record)


def work(plan: Plan, before: Iterable[Outcome]) -> list[tuple[Sequence[Cell], Sequence[Cell]]]:
    """Return each batch that has cells left, and these."""
    left = {outcome.cell.name for outcome in before if outcome.status == "left"}
    batches = ((batch, [cell for cell in batch if cell.name in left]) for batch in plan.batches())
    return [(batch, cells) for batch, cells in batches if cells]


class Runner:
    """Runs the cells of a plan, one batch after the other.

    Args:
        plan: what to run.
        directory: of the sweep; the caller holds it (:func:`tcdflow.sweeps.directory.alone`).
        engine: gives the warm engine.
        on_step: progress within a batch.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        engine: Callable[[], Engine],
        on_step: Step | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.plan = plan
        self.engine = engine
        self._worker = Worker(plan, directory, engine, on_step, interrupted)

    def run(self, before: Iterable[Outcome]) -> Generator[Outcome, None, None]:
        """Run the cells that are left, yielding what becomes of each; stop early if the plan says so on failure."""
        with flushed_behind(), closing(self._worker):
            for batch, left in work(self.plan, before):
                outcomes = self._worker.make(batch, left)
                yield from outcomes
                if self.plan.settings.on_error == "stop" and any(o.status == "failed" for o in outcomes):
                    return
