"""``tcdflow -m OVERRIDE ...``: a sweep on the terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tcdflow.cli.engines import engine, preparer
from tcdflow.cli.files import DownloadBar
from tcdflow.cli.progress import SweepBar
from tcdflow.cli.signals import interrupted
from tcdflow.cli.warn import tell_seeds, warn
from tcdflow.config.compose import Composer
from tcdflow.files.resolve import Progress
from tcdflow.multirun.launcher import Process
from tcdflow.multirun.planned import Finished, PlannedSweep
from tcdflow.multirun.prepare import prepare
from tcdflow.multirun.watcher import Watcher
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps.outcome import Outcome
from tcdflow.text import counted, printable

_SHOWN = 20


def sweep(composer: Composer, overrides: Sequence[str]) -> int:
    """Plan a sweep, freeze the plan, and run what is not done yet; or have Hydra's plug-ins drive it."""
    prepared = prepare(composer, overrides, preparer=preparer())
    if isinstance(prepared, PlannedSweep):
        return report(prepared.run(process(), Terminal()))
    from tcdflow.cli.multirun import multirun

    return multirun(prepared)


def process() -> Process:
    """Return what this process has for a sweep."""
    return Process(engine(reusable=True), interrupted, engine(reusable=False))


class Terminal(Watcher):
    """Shows a sweep on the terminal."""

    def __init__(self) -> None:
        self._bar: SweepBar | None = None

    def drawn(self, seeds: Sequence[int]) -> None:
        """Say which seeds were drawn."""
        tell_seeds(seeds)

    def warn(self, texts: Iterable[str]) -> None:
        """Say what is probably not meant."""
        warn(texts)

    @contextmanager
    def download(self) -> Iterator[Progress]:
        """Show how much of a download is here."""
        with DownloadBar() as download:
            yield download.progress

    @contextmanager
    def over(self, directory: Path, cells: int, done: int) -> Iterator[None]:
        """Show the cells while they run."""
        self._bar = SweepBar(directory)
        with self._bar.over(cells, done):
            yield

    def step(self, image: int, done: int, of: int) -> None:
        """Show one step of the current cell."""
        if self._bar is not None:
            self._bar.step(image, done, of)

    def cell(self, outcome: Outcome) -> None:
        """Show what became of a cell."""
        if self._bar is not None:
            self._bar.advance(outcome)

    def stopped(self, error: BaseException, told: str) -> None:
        """Say how to go on."""
        print(told, file=sys.stderr)


def report(done: Finished) -> int:
    """Say what became of a sweep, and return the exit status."""
    warn(done.warnings[:_SHOWN])
    if len(done.warnings) > _SHOWN:
        warn([f"... and {len(done.warnings) - _SHOWN} more: each cell's run.json has its own"])
    table, log = (printable(str(done.directory / name)) for name in ("results.csv", sweeps.LOG))
    statuses = [outcome.status for outcome in done.outcomes]
    counts = {how: statuses.count(how) for how in ("done", "skipped", "failed", "left")}
    failed = [outcome for outcome in done.outcomes if outcome.status == "failed"]
    for outcome in failed[:_SHOWN]:
        print(f"failed: {outcome.cell.name}: {printable(outcome.reason or '')}", file=sys.stderr)
    if len(failed) > _SHOWN:
        print(f"... and {len(failed) - _SHOWN} more: see {table}", file=sys.stderr)
    if failed:
        words = ["tcdflow", "resume", "--retry-failed", str(done.directory), *done.launcher.words]
        print(f"log: {log}; again: {printable(shlex.join(words))}", file=sys.stderr)
    listed = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
    page = f"; page: {printable(str(done.page))}" if done.page else ""
    print(f"{counted(len(statuses), 'cell')} in {done.seconds:.1f} s: {listed}; {table}{page}", file=sys.stderr)
    return 1 if failed else 0
