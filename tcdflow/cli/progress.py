"""Bars on a terminal, plain lines elsewhere; rich is imported only for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tcdflow.sweep.runner import Outcome


class StepBar:
    """Shows the denoising steps of a single run.

    Args:
        pictures: how many the run makes.
    """

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def step(self, picture: int, done: int, of: int) -> None:
        """Report one step done."""
        if not sys.stderr.isatty():
            return
        if self._progress is None or self._task is None:
            self._progress = _bars()
            self._task = self._progress.add_task("denoising", total=of * self._pictures)
            self._progress.start()
        self._progress.update(self._task, completed=picture * of + done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


class SweepBar:
    """Shows the cells of a sweep, and the steps of the current one; without a terminal, the path of each picture.

    Args:
        directory: of the sweep.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._progress: Progress | None = None
        self._cells: TaskID | None = None
        self._steps: TaskID | None = None

    @contextmanager
    def over(self, cells: int, done: int) -> Iterator[None]:
        """Show the bars while a sweep runs.

        Args:
            cells: of the sweep.
            done: of them already.
        """
        if not sys.stderr.isatty():
            yield
            return
        with _bars() as self._progress:
            self._cells = self._progress.add_task("cells", total=cells)
            self._steps = self._progress.add_task("steps", total=None)
            yield
        self._progress = None

    def step(self, picture: int, done: int, of: int) -> None:
        """Report one step of the current cell done."""
        if self._progress is not None and self._steps is not None:
            self._progress.update(self._steps, completed=done, total=of)

    def advance(self, outcome: Outcome) -> None:
        """Report what became of a cell."""
        if self._progress is not None and self._cells is not None:
            self._progress.advance(self._cells)
        elif outcome.status == "done" and not sys.stderr.isatty():
            from tcdflow.sweep.directory import cell_path

            where = cell_path(self._directory, outcome.cell)
            for output in outcome.record.outputs if outcome.record else ():
                print(where / output.file, flush=True)


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
