"""The progress of a distillation: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tcdflow.cli.progress import duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tcdflow.distill.train import StepDone

_PAUSE = 30.0
"""Seconds between lines where there is no terminal."""


class DistillBar:
    """Shows examples that are encoded, then steps with loss, pace and the time that is left.

    Args:
        steps: of the distillation.
        batch: examples of a step.
        silent: show nothing, as in processes beside the main one.
    """

    def __init__(self, steps: int, batch: int, *, silent: bool = False) -> None:
        self._steps = steps
        self._batch = batch
        self._silent = silent
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._begun = (0, time.monotonic())
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def encoded(self, done: int, total: int) -> None:
        """Report how many examples are encoded."""
        self._show("encoding", done, total, "")

    def begin(self, done: int) -> None:
        """Report that training begins, with so many steps done before."""
        self._close()
        self._begun = (done, time.monotonic())

    def step(self, done: StepDone) -> None:
        """Report one step done."""
        first, start = self._begun
        pace = (time.monotonic() - start) / (done.step - first)
        left = duration(pace * (self._steps - done.step))
        note = f"loss {done.loss:.4f}, {self._batch / pace:.1f} examples/s, {left} left"
        self._show("training", done.step, self._steps, note)

    def _show(self, what: str, done: int, of: int, note: str) -> None:
        if self._silent:
            return
        if not sys.stderr.isatty():
            now = time.monotonic()
            if now - self._shown >= _PAUSE:
                self._shown = now
                print(f"{what}: {done} of {of}{', ' if note else ''}{note}", file=sys.stderr, flush=True)
            return
        if self._progress is None or self._task is None:
            self._progress = _bar()
            self._task = self._progress.add_task(what, total=of, note=note)
            self._progress.start()
        self._progress.update(self._task, completed=done, note=note)

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)
