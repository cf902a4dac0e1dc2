"""Runs a frozen plan in this process, on one warm engine; what is done is skipped, what fails is told."""

from __future__ import annotations

import gc
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
from tcdflow.record.atomic import flushed_behind
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.model import RunSpec
from tcdflow.sweep.directory import cell_path, remove_partial, state
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
        attempts: times that it was tried now.
    """

    cell: Cell
    status: Literal["done", "skipped", "failed", "left"]
    record: Record | None = None
    reason: str | None = None
    seconds: float = 0.0
    attempts: int = 0


@dataclass
class Runner:
    """Runs the cells of a plan.

    Args:
        plan: what to run.
        directory: of the sweep; the caller holds it (:func:`tcdflow.sweep.directory.alone`).
        engine: gives the warm engine.
        on_step: progress within a cell.
        retry_failed: run cells again whose record says that they failed.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
    """

    plan: Plan
    directory: Path
    engine: Callable[[], Engine]
    on_step: Step | None = None
    retry_failed: bool = False
    interrupted: Callable[[], bool] = lambda: False
    _locks: dict[tuple[int, ...], tuple[LockedFile, ...]] = field(default_factory=dict, repr=False)
    _artifacts: dict[tuple[int, ...], Artifacts] = field(default_factory=dict, repr=False)
    _used: bool = field(default=False, repr=False)

    def pending(self) -> list[Outcome]:
        """Return an outcome for each cell that needs no work, in order; the rest have status ``left``."""
        return [self._before(cell) for cell in self.plan.cells]

    def _before(self, cell: Cell) -> Outcome:
        how, record = state(self.directory, cell)
        if how == "done":
            return Outcome(cell, "skipped", record)
        if how == "failed" and not self.retry_failed:
            reason = _first_line(record.error.message) if record and record.error else None
            return Outcome(cell, "failed", record, reason)
        return Outcome(cell, "left", record)

    def run(self, before: Sequence[Outcome]) -> Iterator[Outcome]:
        """Run the cells that are left and yield what becomes of each; stop early if the plan says so on failure."""
        stopped = False
        with flushed_behind():
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
        tries = self.plan.settings.retry
        emptied = False  # running out of memory is tried once more on an empty device, whatever the plan says
        told: list[str] = []
        while True:
            if self.interrupted():
                raise KeyboardInterrupt
            try:
                record = self._once(cell, told, emptied)
                return Outcome(cell, "done", record, None, time.perf_counter() - start, len(told) + 1)
            except Exception as error:
                if self.interrupted():
                    raise KeyboardInterrupt from error
                failure = error
            self._empty(failure)
            memory = out_of_memory(failure) and not emptied
            if isinstance(failure, RequestError) or not (tries or memory):
                return self._failed(cell, failure, start, len(told) + 1)
            emptied = emptied or memory
            tries -= 0 if memory else 1
            told.append(f"tried again after {type(failure).__name__}: {_first_line(str(failure))}")
            log.warning("%s: %s", cell.name, told[-1])
            time.sleep(0 if memory else self.plan.settings.retry_pause)

    def _empty(self, failure: BaseException) -> None:
        """Let go of all that a failed cell may have left in an unknown state, its tensors' frames included."""
        seen: set[int] = set()
        link: BaseException | None = failure
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            if out_of_memory(failure):
                link.__traceback__ = None
            link = link.__cause__ or link.__context__
        if self._used:
            self.engine().close()
        gc.collect()

    def _once(self, cell: Cell, told: Sequence[str], emptied: bool) -> Record:
        artifacts = self._artifacts_of(cell)
        spec = settle(self.plan.spec(cell), artifacts)
        warnings = [*told]
        offload = self.plan.settings.out_of_memory
        if emptied and offload != "none" and spec.runtime.device != "cpu":
            spec = spec.model_copy(update={"runtime": spec.runtime.model_copy(update={"offload": offload})})
            warnings.append(f"runtime.offload={offload} since it ran out of memory without")
        where = cell_path(self.directory, cell)
        remove_partial(where)
        with RunDirectory.open(where, spec, overrides=self.plan.said(cell), warnings=warnings) as run:
            locked = self._lock(cell, artifacts)
            self._used = True
            result = execute(spec, artifacts, run, self.engine, self.on_step, locked)
            from tcdflow.sweep.metrics import measured  # numpy, which resuming a finished sweep can do without

            run.record.execution["metrics"] = measured(result.images)
            if told:
                run.record.execution["attempts"] = len(told) + 1
        return run.record

    def spec(self, cell: Cell) -> RunSpec:
        """Return what a cell is, its size settled."""
        return settle(self.plan.spec(cell), self._artifacts_of(cell))

    def _artifacts_of(self, cell: Cell) -> Artifacts:
        if cell.files not in self._artifacts:
            self._artifacts[cell.files] = self.plan.artifacts(cell)
        return self._artifacts[cell.files]

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
                    what = f"{file.file} has changed since the plan: {then[:12]} is now {file.sha256[:12]}"
                    raise SourceError(f"{file.source}: {what}; plan it anew in another directory")
            self._locks[cell.files] = found
        return self._locks[cell.files]

    def _failed(self, cell: Cell, error: Exception, start: float, attempts: int) -> Outcome:
        if not isinstance(error, TcdflowError):
            log.error("%s failed", cell.name, exc_info=error)
        else:
            log.error("%s failed: %s", cell.name, error)
        reason = _first_line(str(error)) or type(error).__name__
        _, record = state(self.directory, cell)
        return Outcome(cell, "failed", record, reason, time.perf_counter() - start, attempts)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""


def out_of_memory(error: BaseException) -> bool:
    """Say whether a run failed for want of memory: a smaller or emptier one might do."""
    if isinstance(error, RequestError):
        return False
    told = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in told or "can't allocate memory" in told))
    )
