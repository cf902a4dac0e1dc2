"""Runs a frozen plan on Ray: one worker a device, each with a warm engine; a killed worker's batch goes to another.

A machine that dies takes its workers along, and new ones wait for a place; the sweep does not wait for them. One that
joins gets these, and one more for each of its GPUs.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tcdflow.errors import ConfigError, NoRoomError, OutputError, Problem, RecordError, RunError
from tcdflow.files.hashes import sha256_file
from tcdflow.record import document
from tcdflow.record.cleanup import remove_link
from tcdflow.record.document import Failure
from tcdflow.sweeps import order
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.directory import cell_path, state
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell, Plan
from tcdflow.sweeps.ray_cluster import Crew, RaySettings, check_devices, cluster, room
from tcdflow.sweeps.ray_worker import CellMaker
from tcdflow.sweeps.runner import work
from tcdflow.sweeps.shares import Shares
from tcdflow.text import first_line

log = logging.getLogger(__name__)

_DEATHS = 3
"""Workers that a cell may take along before it counts as failed."""
_LISTEN = 0.2
"""Seconds between looks for an interrupt whose exception was lost."""
_LOOK = 2.0
"""Seconds between looks for machines that have joined."""
_ASIDE = "aside"
"""What is said to a worker while it works."""
_PATIENCE = 30.0
"""Seconds that workers are given to end a step, or to have all on the disk."""
_LONELY = 60.0
"""Seconds without any worker after which the user is told."""


class Task(NamedTuple):
    """A batch to make: its number in the plan, its cells, and those that are left of them."""

    number: int
    batch: Sequence[Cell]
    left: Sequence[Cell]


class RayRunner:
    """Runs the cells of a plan on Ray's workers. Use it as :class:`tcdflow.sweeps.runner.Runner`.

    Args:
        plan: what to run, written in the directory.
        directory: of the sweep; the caller holds it. Where there are several machines, all of them have to see it.
        settings: of Ray.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
    """

    def __init__(
        self, plan: Plan, directory: Path, settings: RaySettings, interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        self.plan = plan
        self._directory = directory.resolve()
        self._settings = settings
        self._interrupted = interrupted

    def run(self, before: Iterable[Outcome]) -> Generator[Outcome, None, None]:
        """Run the cells that are left, yielding what becomes of each as it does; stop early if the plan says so.

        Raises:
            ConfigError: if there are not the workers that were asked for, or cells ask for a certain GPU.
            RunError: if workers cannot work at all.
        """
        numbers = {batch[0].name: number for number, batch in enumerate(self.plan.batches())}
        tasks = [Task(numbers[batch[0].name], batch, left) for batch, left in work(self.plan, before)]
        if not tasks:
            return
        specs = [self.plan.spec(task.batch[0]) for task in tasks]
        check_devices(spec.runtime for spec in specs)
        with cluster(self._settings, gpus=any(spec.runtime.device != "cpu" for spec in specs)) as crew:
            workers = min(crew.workers, len(tasks))
            shares = Shares(tasks, [order.costs(spec) for spec in specs], workers)
            gang = _Gang(self.plan, self._directory, crew, workers)
            try:
                yield from self._through(shares, gang)
                gang.finish()
            except BaseException:
                gang.stop()
                raise
            finally:
                gang.close()

    def _through(self, shares: Shares[Task], gang: _Gang) -> Iterator[Outcome]:
        deaths: Counter[int] = Counter()
        stopping = False
        idle: set[int] = set()
        looked = met = time.monotonic()
        while True:
            for worker in sorted(idle) if not stopping else ():
                if (task := shares.take(worker)) is not None:
                    gang.give(worker, task)
                    idle.discard(worker)
            if not gang.working and (stopping or not shares):
                return
            if self._interrupted():
                raise KeyboardInterrupt
            if gang.there:
                met = time.monotonic()
            elif time.monotonic() > met + _LONELY:
                met = math.inf  # it is told once
                what = "no worker has begun for %.0f s: they fetch files, or wait for a machine with %s free"
                log.warning(what, _LONELY, gang.crew.each)
            if time.monotonic() > looked + _LOOK:
                looked = time.monotonic()
                for _ in range(len(gang), room(self._settings, gang.crew) if shares and not stopping else 0):
                    gang.start(shares.join())
            for worker, task, answer in gang.answers(_LISTEN):
                if isinstance(answer, Exception):
                    shares.leave(worker)
                else:
                    idle.add(worker)
                if task is None:
                    continue
                if isinstance(answer, Exception):
                    deaths[task.number] += 1
                    outcomes, rest = self._after_death(task, answer, deaths[task.number])
                    if rest:
                        shares.give_back(Task(task.number, task.batch, rest))
                else:
                    outcomes = answer
                yield from outcomes
                failed = any(outcome.status == "failed" for outcome in outcomes)
                stopping = stopping or (failed and self.plan.settings.on_error == "stop")

    def _after_death(self, task: Task, error: Exception, deaths: int) -> tuple[list[Outcome], list[Cell]]:
        """Return what became of the cells of a worker that died, as their records know, and those that are left."""
        outcomes: list[Outcome] = []
        rest: list[Cell] = []
        for cell in task.left:
            how, record = state(self._directory, cell)
            if how in ("done", "failed"):
                reason = first_line(record.error.message) if record and record.error else None
                outcomes.append(Outcome(cell, "done" if how == "done" else "failed", record, reason, 0.0, deaths))
            else:
                rest.append(cell)
        reason = f"its worker died ({first_line(error)})"
        log.warning("%s: %s, for the %d. time", task.batch[0].name, reason, deaths)
        if deaths < _DEATHS:
            return outcomes, rest
        return outcomes + [self._given_up(cell, f"{reason}, {deaths} times", deaths) for cell in rest], []

    def _given_up(self, cell: Cell, reason: str, deaths: int) -> Outcome:
        where = cell_path(self._directory, cell)
        record = None
        try:
            remove_link(where)
            record = document.read(where)
            record.status, record.error = "failed", Failure(type="WorkerDied", message=reason)
            record.write(where)
        except (RecordError, OutputError) as error:
            log.warning("%s: %s", cell.name, error)
        return Outcome(cell, "failed", record, reason, 0.0, deaths)


class _Gang:
    """Ray's workers by number, and what each of them is at. One that dies is replaced."""

    def __init__(self, plan: Plan, directory: Path, crew: Crew, workers: int) -> None:
        import ray

        self._ray = ray
        self.crew = crew
        allowed = plan.allows_pickles, plan.allows_fetch
        self._arguments = (str(directory), sha256_file(directory / plans.FILE_NAME), crew.threads, *allowed)
        self._actor: Any = ray.remote(concurrency_groups={_ASIDE: 1})(CellMaker)
        self._actors: dict[int, Any] = {}
        self._at: dict[Any, tuple[int, Task | None]] = {}
        self._ready: set[int] = set()
        self._false_starts = 0
        for worker in range(workers):
            self.start(worker)

    def __len__(self) -> int:
        """How many workers there are, or are to be."""
        return len(self._actors)

    def start(self, worker: int) -> None:
        """Start a worker; it waits where no machine has room for it."""
        actor = self._actor.options(**self.crew.options()).remote(*self._arguments)
        self._actors[worker] = actor
        self._ready.discard(worker)
        self._at[actor.ready.remote()] = worker, None

    @property
    def there(self) -> bool:
        """Whether any worker has begun, and not died since."""
        return bool(self._ready)

    @property
    def working(self) -> bool:
        """Whether anyone makes cells."""
        return any(task is not None for _, task in self._at.values())

    def give(self, worker: int, task: Task) -> None:
        """Have a worker make what is left of a batch."""
        future = self._actors[worker].make.remote(task.number, [cell.name for cell in task.left])
        self._at[future] = worker, task

    def answers(self, seconds: float) -> Iterator[tuple[int, Task | None, list[Outcome] | Exception]]:
        """Wait for some worker and yield what it made, or how it died, another one taking its place.

        A worker that is ready for its first task yields None for it.

        Raises:
            ConfigError: if workers do not see the sweep's directory.
            RunError: if they die before they begin.
        """
        from ray.exceptions import ActorUnavailableError, ObjectLostError, RayActorError, RayTaskError

        finished, _ = self._ray.wait(list(self._at), num_returns=1, timeout=seconds)
        for reference in finished:
            worker, task = self._at.pop(reference)
            try:
                answer = self._ray.get(reference)
            except (ActorUnavailableError, ObjectLostError) as error:
                # It may have worked, or still be at it: only once it is gone its cells may go to another.
                self._ray.kill(self._actors[worker])
                yield from self._replaced(worker, task, error)
            except RayActorError as error:
                yield from self._replaced(worker, task, error)
            except RayTaskError as error:
                if isinstance(error.cause, NoRoomError):  # nor would the next cell have any
                    raise error.cause from None
                reason = first_line(error.cause)
                if task is None:
                    raise RunError(f"Ray's workers cannot begin: {reason}") from error
                yield worker, task, [Outcome(cell, "failed", None, reason) for cell in task.left]
            else:
                if task is None and answer is not None:
                    raise ConfigError([Problem("hydra.sweep.dir", answer)])
                self._ready.add(worker)
                yield worker, task, answer or []

    def _replaced(
        self, worker: int, task: Task | None, error: Exception
    ) -> Iterator[tuple[int, Task | None, Exception]]:
        if task is None:
            self._false_starts += 1
            if self._false_starts >= _DEATHS:
                raise RunError(f"Ray's workers die before they begin: {first_line(error)}")
        self.start(worker)
        yield worker, task, error

    def finish(self) -> None:
        """Have all that was written on the disk. Of a worker that has died since, the records tell what it made.

        Raises:
            OutputError: if a file did not get there.
        """
        from ray.exceptions import RayActorError

        end = time.monotonic() + _PATIENCE
        for future in self._finishing():
            with suppress(RayActorError):
                self._ray.get(future, timeout=max(0.0, end - time.monotonic()))

    def stop(self) -> None:
        """Have everyone stop at the next step, and wait for that: an abandoned cell's record is to say so."""
        for actor in self._actors.values():
            actor.stop.options(concurrency_group=_ASIDE).remote()
        if ends := [future for future, (worker, _) in self._at.items() if worker in self._ready]:
            self._ray.wait(ends, num_returns=len(ends), timeout=_PATIENCE)
        if ends := self._finishing():
            self._ray.wait(ends, num_returns=len(ends), timeout=_PATIENCE)

    def close(self) -> None:
        """End all workers: on a cluster that is not ours they would keep its processors until they are collected."""
        for actor in self._actors.values():
            self._ray.kill(actor)

    def _finishing(self) -> list[Any]:
        """Ask those who have begun; who waits for a place has nothing to write."""
        return [self._actors[worker].finish.remote() for worker in sorted(self._ready)]
