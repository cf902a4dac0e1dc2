"""The progress of a distillation: examples that are encoded, then steps with loss, pace and the time that is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tcdflow.cli.count_bar import CountBar
from tcdflow.cli.progress import duration

if TYPE_CHECKING:
    from tcdflow.distill.train import StepDone


class DistillBar(CountBar):
    """Shows how far a distillation is.

    Args:
        steps: of the distillation.
        batch: examples of a step.
        silent: show nothing, as in processes beside the main one.
    """

    def __init__(self, steps: int, batch: int, *, silent: bool = False) -> None:
        super().__init__(silent=silent)
        self._steps = steps
        self._batch = batch
        self._begun = (0, time.monotonic())

    def encoded(self, done: int, total: int) -> None:
        """Report how many examples are encoded."""
        self.show("encoding", done, total)

    def begin(self, done: int) -> None:
        """Report that training begins, with so many steps done before."""
        self.close()
        self._begun = (done, time.monotonic())

    def step(self, done: StepDone) -> None:
        """Report one step done."""
        first, start = self._begun
        pace = (time.monotonic() - start) / (done.step - first)
        left = duration(pace * (self._steps - done.step))
        note = f"loss {done.loss:.4f}, {self._batch / pace:.1f} examples/s, {left} left"
        self.show("training", done.step, self._steps, note)
