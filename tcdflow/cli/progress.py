"""The bar of a single run: on a terminal only, and rich is imported only there."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class StepBar:
    """Shows denoising steps.

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
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("denoising", total=of * self._pictures)
            self._progress.start()
        self._progress.update(self._task, completed=picture * of + done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
