"""A count of things done: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PAUSE = 30.0
"""Seconds between lines where there is no terminal."""


class CountBar:
    """Shows one count after another.

    Args:
        silent: show nothing.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def show(self, what: str, done: int, of: int, note: str = "") -> None:
        """Report that so many of so many are done; another ``what`` begins another bar."""
        if self._silent:
            return
        if not sys.stderr.isatty():
            now = time.monotonic()
            if now - self._shown >= _PAUSE:
                self._shown = now
                print(f"{what}: {done} of {of}{', ' if note else ''}{note}", file=sys.stderr, flush=True)
            return
        if what != self._what:
            self.close()
            self._what = what
        if self._progress is None or self._task is None:
            self._progress = _bar()
            self._task = self._progress.add_task(what, total=of, note=note)
            self._progress.start()
        self._progress.update(self._task, completed=done, note=note)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)
