"""Keeps Ctrl-C from being lost: imports of big libraries catch whatever is raised in them, an interrupt too."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:
    from tcdflow.engine.sampler import Step


class CtrlC:
    """While open, remembers a Ctrl-C in place of raising it.

    It takes the place of Python's own handler alone: whoever set another, or runs in another thread, keeps his.

    Attributes:
        came: whether there was one.
    """

    def __init__(self) -> None:
        self.came = False
        self._watching = False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        self._watching = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._watching:
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.came = True


class Interrupts(CtrlC):
    """While open, remembers a Ctrl-C, and raises it again where something caught it: at the next step or at the end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self.came and (error is None or isinstance(error, Exception)):
            raise KeyboardInterrupt from error

    def at_each(self, on_step: Step | None) -> Step:
        """Return a step's callback that first raises the interrupt, if one came."""

        def step(image: int, done: int, of: int) -> None:
            if self.came:
                raise KeyboardInterrupt
            if on_step is not None:
                on_step(image, done, of)

        return step

    def _heard(self, number: int, frame: FrameType | None) -> NoReturn:
        self.came = True
        raise KeyboardInterrupt
