"""Bars on a terminal, plain lines elsewhere; rich is imported only for a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tcdflow.cli.made import tell
from tcdflow.sweeps.directory import cell_path

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tcdflow.sweeps.outcome import Outcome


class StepBar:
    """Shows the denoising steps of a single run.

    Args:
        images: how many the run makes.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def step(self, image: int, done: int, of: int) -> None:
        """Report one step done."""
        if not sys.stderr.isatty():
            return
        if self._progress is None or self._task is None:
            self._progress = _bars()
            self._task = self._progress.add_task("denoising", total=of * self._images)
            self._progress.start()
        self._progress.update(self._task, completed=image * of + done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


class SweepBar:
    """Shows the cells of a sweep, and the steps of the current one; without a terminal, the path of each image.

    Args:
        directory: of the sweep.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._progress: Progress | None = None
        self._cells: TaskID | None = None
        self._steps: TaskID | None = None
        self._images = 0
        self._failed = 0
        self._start = 0.0
        self._left = 0
        self._reached = 0

    @contextmanager
    def over(self, cells: int, done: int) -> Iterator[None]:
        """Show the bars while a sweep runs.

        Args:
            cells: of the sweep.
            done: of them already.
        """
        self._left = cells - done
        if not sys.stderr.isatty() or not self._left:
            yield
            return
        self._start = time.monotonic()
        with _sweep_bars() as self._progress:
            self._cells = self._progress.add_task("cells", total=cells, completed=done, note="loading", left="")
            self._steps = self._progress.add_task("steps", total=None, note="", left="")
            yield
        self._progress = None

    def step(self, image: int, done: int, of: int) -> None:
        """Report one step of the current cell done."""
        if self._progress is not None and self._steps is not None:
            note = f"image {image + 1}" if image else ""
            self._progress.update(self._steps, completed=done, total=of, note=note)

    def advance(self, outcome: Outcome) -> None:
        """Report what became of a cell."""
        if outcome.attempts and self._progress is not None and self._cells is not None:
            self._reached += 1
            self._failed += outcome.status == "failed"
            if outcome.status == "done" and outcome.record is not None:
                self._images += len(outcome.record.outputs)
            pace, left = self._pace()
            self._progress.update(self._cells, advance=1, note=pace, left=left)
        if outcome.status == "done" and outcome.record is not None:
            where = cell_path(self._directory, outcome.cell)
            paths = [where / output.file for output in outcome.record.outputs]
            tell(paths, shown=not sys.stderr.isatty(), at_once=True)

    def _pace(self) -> tuple[str, str]:
        seconds = time.monotonic() - self._start
        speed = self._images / seconds
        pace = f"{speed:.1f} images/s" if speed >= 1 or not speed else f"{1 / speed:.1f} s/image"
        failed = f", {self._failed} failed" if self._failed else ""
        left = (self._left - self._reached) * seconds / self._reached
        return pace + failed, f"{duration(left)} left"


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _sweep_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TextColumn("{task.fields[left]}"),
    )
    # Four times a second is smooth enough for cells, and leaves the processor to the images.
    return Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
