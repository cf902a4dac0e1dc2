"""Ctrl-C between two steps: a step that was begun is finished, so that nothing of it is lost or half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class StopAfterStep:
    """While open, remembers a Ctrl-C in place of raising it.

    It takes the place of Python's own handler alone: whoever set another, or runs in another thread, keeps his.

    Attributes:
        asked: whether one came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._watching = False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        self._watching = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._watching:
            signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
