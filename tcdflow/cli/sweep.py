"""``tcdflow -m OVERRIDE ...``: plan a sweep and run it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tcdflow.cli.files import DownloadBar
from tcdflow.cli.launchers import Launcher
from tcdflow.cli.progress import SweepBar
from tcdflow.cli.warn import tell_seeds, warn
from tcdflow.config.compose import Composer
from tcdflow.config.overrides import parse
from tcdflow.config.permission import ALLOW_PICKLE, permitted
from tcdflow.config.plugins import drive
from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.files.resolve import fetch
from tcdflow.record.environment import versions
from tcdflow.record.log import log_file
from tcdflow.spec.model import RunSpec
from tcdflow.spec.paths import at_home
from tcdflow.sweep import directory as sweeps
from tcdflow.sweep import flat, planner, results, timings
from tcdflow.sweep.files import bring
from tcdflow.sweep.outcome import Outcome
from tcdflow.sweep.plan import Plan
from tcdflow.sweep.runner import pending
from tcdflow.text import counted, printable

_SHOWN = 20


def sweep(composer: Composer, overrides: Sequence[str]) -> int:
    """Plan a sweep, freeze the plan, and run what is not done yet; or have Hydra's plug-ins drive it."""
    allow_pickle, others = permitted(overrides)
    by = drive(composer, others)
    if not by.planned:
        if allow_pickle:
            raise ConfigError([Problem(ALLOW_PICKLE, f"is not supported with {by}, only in sweeps that tcdflow plans")])
        from tcdflow.cli.multirun import multirun

        return multirun(composer, overrides, by)
    launcher = Launcher.of(composer, others, by)
    planned = planner.make(composer, overrides)
    tell_seeds(composer.seeds.drawn)
    warn(planned.warnings)
    with DownloadBar() as download:
        fetch(planned.artifacts, download.progress)
    directory = directory_of(planned.plan)
    with sweeps.alone(directory):
        plan = sweeps.freeze(directory, planned.plan)
        # One that was there names files of its own.
        allowed = plan.allowing(pickles=allow_pickle, fetch=composer.fetch or plan.files == planned.plan.files)
        return run_plan(allowed, directory, launcher, retry_failed=False, warned=planned.warnings)


def directory_of(plan: Plan) -> Path:
    """Return the directory of a sweep: as given, else one named after the sweep, the same for the same words."""
    overrides = [parse(text, sweeping=True) for text in plan.overrides]
    listed = [str(override.value()) for override in overrides if override.key_or_group == "hydra.sweep.dir"]
    return at_home(listed[-1]) if listed else Path("outputs") / "sweeps" / plan.name


def run_plan(plan: Plan, directory: Path, launcher: Launcher, *, retry_failed: bool, warned: Sequence[str] = ()) -> int:
    """Run the cells of a frozen plan that are not done, and say what became of them.

    Args:
        plan: of the sweep.
        directory: of the sweep.
        launcher: runs the cells.
        retry_failed: run failed cells again.
        warned: warnings that stand on the terminal already.
    """
    start = time.perf_counter()
    _tell_of_other_versions(plan)
    bar = SweepBar(directory)
    runner = launcher.runner(plan, directory, bar.step)
    before = pending(plan, directory, retry_failed=retry_failed)
    if any(outcome.status == "left" for outcome in before):
        with DownloadBar() as download:
            bring(plan, download.progress)
    outcomes = {outcome.cell.name: outcome for outcome in before}
    finished: list[Outcome] = []
    try:
        with (
            log_file(directory / sweeps.LOG),
            bar.over(len(before), sum(outcome.status != "left" for outcome in before)),
        ):
            for outcome in runner.run(before):
                outcomes[outcome.cell.name] = outcome
                finished.append(outcome)
                bar.advance(outcome)
    except BaseException:
        with suppress(OutputError):  # what stopped the sweep matters more
            _write_down(directory, plan, outcomes, finished)
        command = printable(shlex.join(["tcdflow", "resume", str(directory), *launcher.words]))
        done = sum(outcome.status in ("done", "skipped") for outcome in outcomes.values())
        print(f"stopped with {done} of {counted(len(before), 'cell')} done; go on with: {command}", file=sys.stderr)
        raise
    _write_down(directory, plan, outcomes, finished)
    sweeps.finished(directory)
    _warn(finished, warned)
    return _report(list(outcomes.values()), directory, launcher, time.perf_counter() - start)


def _write_down(directory: Path, plan: Plan, outcomes: Mapping[str, Outcome], finished: Sequence[Outcome]) -> None:
    results.write(directory, plan, list(outcomes.values()))
    if plan.settings.flat:
        flat.write(directory, list(outcomes.values()))
    timings.remember((RunSpec.model_validate(o.record.spec), o.record) for o in _spread(finished) if o.record)


def _warn(finished: Sequence[Outcome], warned: Sequence[str]) -> None:
    found = dict.fromkeys(text for outcome in finished if outcome.record for text in outcome.record.warnings)
    new = [text for text in found if text not in warned]
    warn(new[:_SHOWN])
    if len(new) > _SHOWN:
        warn([f"... and {len(new) - _SHOWN} more: each cell's run.json has its own"])


def _spread(finished: Sequence[Outcome]) -> Sequence[Outcome]:
    """A few from all over a long sweep: what a kind of run takes is not learnt better from thousands."""
    return finished[:: max(1, len(finished) // 100)]


def _tell_of_other_versions(plan: Plan) -> None:
    then, now = plan.environment.get("packages"), versions()["packages"]
    known = then if isinstance(then, dict) else {}  # plans are untrusted
    other = [f"{name} {known[name]} is now {now[name]}" for name in now if known.get(name, now[name]) != now[name]]
    if other:
        warn([f"since the plan was made, {', '.join(other)}: the rest may not be bit-identical (about 1e-6)"])


def _report(outcomes: Sequence[Outcome], directory: Path, launcher: Launcher, seconds: float) -> int:
    table, log = (printable(str(directory / name)) for name in ("results.csv", sweeps.LOG))
    counts = {how: sum(outcome.status == how for outcome in outcomes) for how in ("done", "skipped", "failed", "left")}
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed[:_SHOWN]:
        print(f"failed: {outcome.cell.name}: {printable(outcome.reason or '')}", file=sys.stderr)
    if len(failed) > _SHOWN:
        print(f"... and {len(failed) - _SHOWN} more: see {table}", file=sys.stderr)
    if failed:
        command = printable(shlex.join(["tcdflow", "resume", "--retry-failed", str(directory), *launcher.words]))
        print(f"log: {log}; again: {command}", file=sys.stderr)
    listed = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
    print(f"{counted(len(outcomes), 'cell')} in {seconds:.1f} s: {listed}; {table}", file=sys.stderr)
    return 1 if failed else 0
