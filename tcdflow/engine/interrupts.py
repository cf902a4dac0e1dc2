"""Keeps Ctrl-C from being lost: imports of big libraries catch whatever is raised in them, an interrupt too."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

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
        self._former: Any = None

    def __enter__(self) -> Self:
        former = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and self._may_replace(former):
            self._former = former
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

    def _may_replace(self, handler: object) -> bool:
        return handler is signal.default_int_handler

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.came = True


class Delayed(CtrlC):
    """While open, puts a Ctrl-C off to the end, also one that another of these would hear.

    It is for imports in a process that goes on afterwards: what is imported by half can often not be imported again.
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self.came:
            self._former(signal.SIGINT, None)

    def _may_replace(self, handler: object) -> bool:
        return handler is signal.default_int_handler or isinstance(getattr(handler, "__self__", None), CtrlC)


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
