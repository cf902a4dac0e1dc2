"""Makes the cells of a plan, batch by batch, on one warm engine: in this process, or in one of many."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.errors import InvalidOutputError, NoRoomError, RequestError, TcdflowError, out_of_memory
from tcdflow.files.artifact import Artifacts
from tcdflow.files.unchanged import Unchanged
from tcdflow.record.cleanup import remove_link
from tcdflow.record.document import Record
from tcdflow.record.room import Rooms
from tcdflow.record.rundir import RunDirectory
from tcdflow.request.execute import generate, keep
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Prepared
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps.directory import cell_path, state
from tcdflow.sweeps.metrics import measured
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell, Plan
from tcdflow.text import first_line

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine, Generated
    from tcdflow.engine.sampler import Step

log = logging.getLogger(__name__)


@dataclass
class Worker:
    """Makes cells.

    Args:
        plan: that they belong to.
        directory: of the sweep.
        engine: gives the warm engine.
        on_step: progress within a batch.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
    """

    plan: Plan
    directory: Path
    engine: Callable[[], Engine]
    on_step: Step | None = None
    interrupted: Callable[[], bool] = lambda: False
    _prepare: Preparer = field(default_factory=Preparer, repr=False)
    _files: dict[tuple[int, ...], Artifacts] = field(default_factory=dict, repr=False)
    _warned: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _rooms: Rooms = field(default_factory=Rooms, repr=False)
    _used: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        self._pins = self.plan.pins()

    def close(self) -> None:
        """Give back what is kept between cells; the engine is the caller's."""
        self._rooms.close()

    def make(self, batch: Sequence[Cell], left: Sequence[Cell]) -> list[Outcome]:
        """Make the cells of a batch that are left, in the whole batch, as often as the plan allows.

        A wrong request is not tried again, nor are flawed images: both would come out the same way.
        """
        start = time.perf_counter()
        tries = self.plan.settings.retry
        emptied = False  # running out of memory is tried once more on an empty device, whatever the plan says
        notes: list[str] = []
        outcomes: dict[str, Outcome] = {}
        while True:
            if self.interrupted():
                raise KeyboardInterrupt
            failures: dict[str, Exception] = {}
            try:
                records = self._once(batch, left, notes, emptied, failures)
            except NoRoomError:  # nor would the next cell have any
                raise
            except Exception as error:
                records, failures = {}, {cell.name: error for cell in left}
            took, attempts = (time.perf_counter() - start) / len(left), len(notes) + 1
            for cell in left:
                if cell.name in records:
                    outcomes[cell.name] = Outcome(cell, "done", records[cell.name], None, took, attempts)
            failed = sorted((cell for cell in left if cell.name in failures), key=lambda c: _is_final(failures[c.name]))
            if not failed:
                break
            failure = failures[failed[0].name]
            if self.interrupted():
                raise KeyboardInterrupt from failure
            self._empty(failure)
            memory = out_of_memory(failure) and not emptied
            left = [cell for cell in failed if (tries or memory) and not _is_final(failures[cell.name])]
            outcomes |= {c.name: self._failed(c, failures[c.name], took, attempts) for c in failed if c not in left}
            if not left:
                break
            emptied = emptied or memory
            tries -= 0 if memory else 1
            notes.append(f"tried again after {type(failure).__name__}: {first_line(failure)}")
            log.warning("%s: %s", left[0].name, notes[-1])
            time.sleep(0 if memory else self.plan.settings.retry_pause)
        return [outcomes[cell.name] for cell in batch if cell.name in outcomes]

    def _once(
        self,
        batch: Sequence[Cell],
        left: Sequence[Cell],
        notes: Sequence[str],
        emptied: bool,
        failures: dict[str, Exception],
    ) -> dict[str, Record]:
        """Return the records of what was made; what alone of a batch was not goes into ``failures``."""
        try:
            prepared = {cell.name: self._prepared(cell) for cell in batch}
        except TcdflowError as error:  # an image of another size than when the plan was made, say
            for cell in left:
                self._begin(cell, self.plan.spec(cell), notes).end(error)
            raise
        first = prepared[batch[0].name]
        warnings = [*notes]
        specs = {name: one.spec for name, one in prepared.items()}
        offload = self.plan.settings.out_of_memory
        if emptied and offload != "none" and specs[batch[0].name].runtime.device != "cpu":
            specs = {name: _with_offload(spec, offload) for name, spec in specs.items()}
            warnings.append(f"runtime.offload={offload} since it ran out of memory without")
        running: list[RunDirectory] = []
        records: dict[str, Record] = {}
        try:
            for cell in left:
                running.append(
                    self._begin(cell, specs[cell.name], [*warnings, *self._warnings(cell, prepared[cell.name])])
                )
            assert first.lock is not None, "a plan pins its files"
            for run in running:
                run.lock(first.lock)
            self._used = True
            files = first.unchanged or Unchanged.since_now(first.files)
            generated = generate(list(specs.values()), files, self.engine, self.on_step)
            by_name = dict(zip(specs, generated, strict=True))
            for cell in left:
                try:
                    self._keep(by_name[cell.name], running[0], len(notes) + 1)
                except NoRoomError:
                    raise
                except Exception as error:
                    running[0].end(error)
                    failures[cell.name] = error
                else:
                    records[cell.name] = running[0].record
                running.pop(0)
        except BaseException as error:
            for run in running:
                run.end(error)
            raise
        return records

    def _begin(self, cell: Cell, spec: RunSpec, warnings: Sequence[str]) -> RunDirectory:
        where = cell_path(self.directory, cell)
        remove_link(where)
        overrides = self.plan.overrides_of(cell)
        return RunDirectory.begin(where, spec, overrides=overrides, warnings=warnings, among=self._rooms)

    def _keep(self, generated: Generated, run: RunDirectory, attempts: int) -> None:
        images = keep(generated, run).images
        run.record.execution["metrics"] = measured(run.record, images)
        if attempts > 1:
            run.record.execution["attempts"] = attempts
        run.end()

    def _empty(self, failure: BaseException) -> None:
        """Let go of all that a failed cell may have left in an unknown state, its tensors' frames included."""
        if isinstance(failure, InvalidOutputError):  # nothing of the engine's failed
            return
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

    def _prepared(self, cell: Cell) -> Prepared:
        """Prepare a cell with the files that its plan has found.

        Raises:
            RequestError: if it breaks a rule, or a file is not what it was when the plan was made.
        """
        if cell.files not in self._files:
            self._files[cell.files] = self.plan.artifacts(cell)
        return self._prepare(self.plan.request(cell, self._pins, self._files[cell.files]))

    def _warnings(self, cell: Cell, prepared: Prepared) -> tuple[str, ...]:
        """Return what is probably not meant of a cell; those that differ in their seeds alone are asked once."""
        values = {key: value for key, value in cell.values.items() if key != "sampling.seed"}
        asked = repr((cell.template, cell.files, values))
        if asked not in self._warned:
            self._warned[asked] = prepared.warnings
        return self._warned[asked]

    def _failed(self, cell: Cell, error: Exception, seconds: float, attempts: int) -> Outcome:
        if not isinstance(error, TcdflowError):
            log.error("%s failed", cell.name, exc_info=error)
        else:
            log.error("%s failed: %s", cell.name, error)
        reason = first_line(error)
        _, record = state(self.directory, cell)
        return Outcome(cell, "failed", record, reason, seconds, attempts)


def _is_final(error: Exception) -> bool:
    """Say whether a cell would fail in the same way again."""
    return isinstance(error, RequestError | InvalidOutputError)


def _with_offload(spec: RunSpec, offload: str) -> RunSpec:
    return spec.model_copy(update={"runtime": spec.runtime.model_copy(update={"offload": offload})})
