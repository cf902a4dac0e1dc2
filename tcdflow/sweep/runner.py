"""Runs a frozen plan in this process, on one warm engine; what is done is skipped, what fails is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tcdflow.artifacts.artifact import Artifacts
from tcdflow.artifacts.lock import LockedFile, lock
from tcdflow.artifacts.sizes import settle
from tcdflow.engine.execute import execute
from tcdflow.errors import RequestError, SourceError, TcdflowError
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.sweep.directory import cell_path, state
from tcdflow.sweep.plan import Cell, Plan

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.making import Step

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes:
        cell: which one.
        status: ``skipped`` is done by an earlier run; ``left`` was not tried.
        record: its record, if it has one.
        reason: first line of why it failed.
        seconds: that it took now.
    """

    cell: Cell
    status: Literal["done", "skipped", "failed", "left"]
    record: Record | None = None
    reason: str | None = None
    seconds: float = 0.0


@dataclass
class Runner:
    """Runs the cells of a plan.

    Args:
        plan: what to run.
        directory: of the sweep; the caller holds it (:func:`tcdflow.sweep.directory.alone`).
        engine: gives the warm engine.
        on_step: progress within a cell.
        retry_failed: run cells again whose record says that they failed.
    """

    plan: Plan
    directory: Path
    engine: Callable[[], Engine]
    on_step: Step | None = None
    retry_failed: bool = False
    _locks: dict[tuple[int, ...], tuple[LockedFile, ...]] = field(default_factory=dict, repr=False)

    def pending(self) -> list[Outcome]:
        """Return an outcome for each cell that needs no work, in order; the rest have status ``left``."""
        return [self._before(cell) for cell in self.plan.cells]

    def _before(self, cell: Cell) -> Outcome:
        how, record = state(self.directory, cell)
        if how == "done":
            return Outcome(cell, "skipped", record)
        if how == "failed" and not self.retry_failed:
            reason = record.error.message.splitlines()[0] if record and record.error else None
            return Outcome(cell, "failed", record, reason)
        return Outcome(cell, "left", record)

    def run(self, before: Sequence[Outcome]) -> Iterator[Outcome]:
        """Run the cells that are left and yield what becomes of each; stop early if the plan says so on failure."""
        stopped = False
        for outcome in before:
            if outcome.status != "left" or stopped:
                yield outcome
                continue
            made = self._attempts(outcome.cell)
            stopped = made.status == "failed" and self.plan.settings.on_error == "stop"
            yield made

    def _attempts(self, cell: Cell) -> Outcome:
        """Run a cell as often as the plan allows. A wrong request is not tried again: it would fail the same way."""
        start = time.perf_counter()
        spare = 1  # running out of memory is tried once more on an empty device, whatever the plan says
        for attempt in range(self.plan.settings.retry + 1 + spare):
            try:
                record = self._once(cell)
            except Exception as error:
                self.engine().close()
                if isinstance(error, RequestError):
                    return _failed(cell, error, start)
                exhausted = attempt >= self.plan.settings.retry
                if exhausted and not (_out_of_memory(error) and attempt == self.plan.settings.retry):
                    return _failed(cell, error, start)
                log.warning("%s: attempt %d failed: %s", cell.name, attempt + 1, error)
                time.sleep(0 if exhausted else self.plan.settings.retry_pause)
                continue
            return Outcome(cell, "done", record, seconds=time.perf_counter() - start)
        raise AssertionError("the last attempt returns")

    def _once(self, cell: Cell) -> Record:
        artifacts = self.plan.artifacts(cell)
        spec = settle(self.plan.spec(cell), artifacts)
        overrides = (*self.plan.fixed, *cell.overrides)
        with RunDirectory.open(cell_path(self.directory, cell), spec, overrides=overrides) as run:
            locked = self._lock(cell, artifacts)
            return execute(spec, artifacts, run, self.engine, self.on_step, locked).record

    def _lock(self, cell: Cell, artifacts: Artifacts) -> tuple[LockedFile, ...]:
        """Return the lock of a cell: its files are hashed once, and held against the plan's.

        Raises:
            SourceError: if a file is not what it was when the plan was made.
        """
        if cell.files not in self._locks:
            planned = {(file.role, file.source, file.file): file.sha256 for file in self.plan.lock}
            found = lock(artifacts)
            for file in found:
                then = planned.get((file.role, file.source, file.file), "absent")
                if then != file.sha256:
                    what = f"{file.file} has changed since the plan: {then} is now {file.sha256}"
                    raise SourceError(f"{file.source}: {what}")
            self._locks[cell.files] = found
        return self._locks[cell.files]


def _failed(cell: Cell, error: Exception, start: float) -> Outcome:
    if not isinstance(error, TcdflowError):
        log.error("%s failed", cell.name, exc_info=error)
    lines = str(error).splitlines()
    reason = lines[0] if lines else type(error).__name__
    return Outcome(cell, "failed", None, reason, time.perf_counter() - start)


def _out_of_memory(error: Exception) -> bool:
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower()
