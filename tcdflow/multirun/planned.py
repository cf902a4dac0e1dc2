"""A planned sweep from its overrides to its results: the one way of the command line and the library."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tcdflow.config.compose import Composer
from tcdflow.config.permission import permitted
from tcdflow.config.plugins import Drive
from tcdflow.config.run_output import SweepOutput
from tcdflow.errors import OutputError
from tcdflow.files.artifact import Artifact, refuse_pickles
from tcdflow.files.pins import Pins
from tcdflow.files.resolve import fetch as fetch_files
from tcdflow.multirun.launcher import Launcher, Process
from tcdflow.multirun.watcher import Watcher
from tcdflow.record.environment import versions
from tcdflow.record.log import log_file
from tcdflow.request.prepare import Preparer
from tcdflow.spec.tracker import Tracking
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps import planner
from tcdflow.sweeps.files import bring
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.runner import pending
from tcdflow.text import counted, printable
from tcdflow.tracking.follow import Told, followed, remember, remembered


@dataclass(frozen=True)
class Finished:
    """A sweep that has ended.

    Attributes:
        directory: of the sweep.
        page: to look at it with; None if it has none.
        outcomes: of its cells, in the plan's order, without their records.
        warnings: of its runs, as far as nobody was told of them yet.
        launcher: that ran it.
        seconds: that it took.
    """

    directory: Path
    page: Path | None
    outcomes: tuple[Outcome, ...]
    warnings: tuple[str, ...]
    launcher: Launcher
    seconds: float


@dataclass(frozen=True)
class PlannedSweep:
    """A sweep that tcdflow plans, right as far as can be said beforehand. Use :meth:`prepare`.

    Attributes:
        composer: of its cells.
        plan: of them.
        directory: of the sweep.
        verbose: loggers that log debug messages too.
        launcher: runs the cells.
        warnings: what is probably not meant.
        artifacts: files of all cells; what is absent is to be fetched before it runs.
        tracking: what is told of it.
        allow_pickle: whether pickled weights may be read.
    """

    composer: Composer
    plan: Plan
    directory: Path
    verbose: tuple[str, ...]
    launcher: Launcher
    warnings: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    tracking: Tracking
    allow_pickle: bool

    @classmethod
    def prepare(
        cls,
        composer: Composer,
        overrides: Sequence[str],
        by: Drive,
        pins: Pins | None = None,
        preparer: Preparer | None = None,
    ) -> PlannedSweep:
        """Plan a sweep, before anything is made.

        Args:
            composer: of its cells.
            overrides: as the user wrote them.
            by: what drives it; planned by tcdflow.
            pins: what is known of the files, in the place of the lock file that the config names.
            preparer: finds and hashes the files where this process makes the cells; None: one of its own.

        Raises:
            RequestError: if the request is wrong.
        """
        launcher = Launcher.of(composer, overrides, by)
        planned = planner.make(composer, overrides, pins, preparer if launcher.ray is None else None)
        launcher.check(planned.runtimes)
        output = SweepOutput.of(planned.draft.config)
        return cls(
            composer,
            planned.plan,
            output.directory or Path("outputs") / "sweeps" / planned.plan.name,  # the same for the same words
            output.verbose,
            launcher,
            (*planned.folded, *planned.warnings, *output.warnings),
            tuple(planned.artifacts),
            planned.draft.tracking,
            permitted(overrides)[0],
        )

    def check_here(self) -> None:
        """Find out whether it can run on this machine, in its directory.

        Raises:
            RequestError: if it cannot.
        """
        self.launcher.check_here()
        sweeps.frozen(self.directory, self.plan)

    def run(self, process: Process, watcher: Watcher) -> Finished:
        """Freeze the plan, and run what is not done yet.

        Args:
            process: that it runs in.
            watcher: is told of it.

        Raises:
            RequestError: if it cannot run here; nothing was made.
            RunError: if the sweep as a whole cannot go on. A cell that fails stops nothing, unless the plan says so.
        """
        self.launcher.check_here()
        sweeps.check_room(self.directory)
        watcher.drawn(self.composer.seeds.drawn)
        watcher.warn(self.warnings)
        with watcher.download() as progress:
            fetch_files(self.artifacts, progress)
        with sweeps.alone(self.directory):
            plan = sweeps.freeze(self.directory, self.plan)
            # One that was there names files of its own.
            fetch = self.composer.fetch or plan.files == self.plan.files
            allowed = plan.allowing(pickles=self.allow_pickle, fetch=fetch)
            remember(self.directory, self.tracking)
            running = _Running(allowed, self.directory, self.launcher, watcher, self.tracking, self.verbose)
            return running.run(process, retry_failed=False, warned=self.warnings)


def resume(
    directory: Path,
    launcher: Launcher,
    process: Process,
    watcher: Watcher,
    *,
    retry_failed: bool,
    pickles: bool,
    fetch: bool,
) -> Finished:
    """Run what is left of a sweep, by its frozen plan.

    Args:
        directory: of the sweep.
        launcher: runs the cells.
        process: that it runs in.
        watcher: is told of it.
        retry_failed: run failed cells again.
        pickles: whether pickled weights may be read.
        fetch: whether addresses may be asked that the plan names.

    Raises:
        RequestError: if there is no plan, or its files are not what they were.
        RunError: as of :func:`sweep`.
    """
    launcher.check_here()
    plan = plans.read(directory)
    refuse_pickles([] if pickles else [files.artifact() for files in plan.files])
    with sweeps.alone(directory):
        allowed = plan.allowing(pickles=pickles, fetch=fetch)
        running = _Running(allowed, directory, launcher, watcher, remembered(directory))
        return running.run(process, retry_failed=retry_failed)


@dataclass(frozen=True)
class _Running:
    """A frozen plan in its directory, which the caller holds."""

    plan: Plan
    directory: Path
    launcher: Launcher
    watcher: Watcher
    tracking: Tracking
    verbose: tuple[str, ...] = ()

    def run(self, process: Process, *, retry_failed: bool, warned: Sequence[str] = ()) -> Finished:
        """Run the cells that are not done, and write down what became of them.

        Args:
            process: that they run in.
            retry_failed: run failed cells again.
            warned: warnings that were told already.
        """
        with followed(self.directory, self.tracking, self.watcher.warn) as told:
            return self._run(process, retry_failed, warned, told)

    def _run(self, process: Process, retry_failed: bool, warned: Sequence[str], told: Told) -> Finished:
        from tcdflow.multirun.summary import Summary  # a tenth of a second, which planning alone need not pay

        start = time.perf_counter()
        self._tell_of_other_versions()
        runner = self.launcher.runner(self.plan, self.directory, process, self.watcher.step)
        summary = Summary(self.plan, self.directory)
        summary.found(pending(self.plan, self.directory, retry_failed=retry_failed))
        before = summary.outcomes
        left = sum(outcome.status == "left" for outcome in before)
        if left:
            with self.watcher.download() as progress:
                bring(self.plan, progress)
        elif not self.plan.settings.flat and (kept := summary.page.kept()):
            sweeps.finished(self.directory)
            return self._finished(before, kept.page, (), start)
        run = runner.run(before)
        try:
            log = log_file(self.directory / sweeps.LOG, self.verbose)
            # Closed, workers of other processes have ended before what stopped the sweep is answered.
            with log, self.watcher.over(self.directory, len(before), len(before) - left), closing(run) as outcomes:
                if left:
                    summary.page.advance()
                for outcome in outcomes:
                    summary.made(outcome)
                    self.watcher.cell(outcome)
                    summary.page.advance()
                    told(sweeps.cell_path(self.directory, outcome.cell))
        except BaseException as error:
            with suppress(OutputError):  # what stopped the sweep matters more
                summary.look_again()
                summary.write(whole=False)
            self.watcher.stopped(error, self._how_far(summary.outcomes))
            raise
        ended = summary.write(whole=True)
        self.watcher.warn([f"no page: {ended.problem}"] if ended.problem else [])
        sweeps.finished(self.directory)
        new = tuple(text for text in summary.warnings if text not in warned)
        return self._finished(summary.outcomes, ended.page, new, start)

    def _finished(
        self, outcomes: Sequence[Outcome], page: Path | None, warnings: tuple[str, ...], start: float
    ) -> Finished:
        seconds = time.perf_counter() - start
        return Finished(self.directory, page, tuple(outcomes), warnings, self.launcher, seconds)

    def _how_far(self, outcomes: Sequence[Outcome]) -> str:
        command = printable(shlex.join(["tcdflow", "resume", str(self.directory), *self.launcher.words]))
        done = sum(outcome.status in ("done", "skipped") for outcome in outcomes)
        return f"stopped with {done} of {counted(len(outcomes), 'cell')} done; go on with: {command}"

    def _tell_of_other_versions(self) -> None:
        then, now = self.plan.environment.get("packages"), versions()["packages"]
        known = then if isinstance(then, dict) else {}  # plans are untrusted
        other = [f"{name} {known[name]} is now {now[name]}" for name in now if known.get(name, now[name]) != now[name]]
        if other:
            what = f"since the plan was made, {', '.join(other)}: the rest may not be bit-identical (about 1e-6)"
            self.watcher.warn([what])
