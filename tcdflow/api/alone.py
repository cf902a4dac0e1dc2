"""Calls of several threads, one after the other: they share one pipeline, Hydra's state and the process's settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from tcdflow.errors import RunError

P = ParamSpec("P")
R = TypeVar("R")

composing = threading.RLock()
"""Held while configs are composed, and a sweep is planned of them: Hydra has one state for the process."""
_lock = threading.RLock()
_running: list[str] = []


def one_at_a_time(call: Callable[P, R]) -> Callable[P, R]:
    """Have a function wait until no other thread is in it, or in another such one.

    Raises:
        RunError: when it is called from within one of them, by ``on_step`` say: both would change one pipeline.
    """

    @wraps(call)
    def alone(*args: P.args, **more: P.kwargs) -> R:
        with _lock:
            if _running:
                raise RunError(f"tcdflow.{call.__name__} was called within tcdflow.{_running[0]}; call it afterwards")
            try:
                _running.append(call.__name__)
                return call(*args, **more)
            finally:
                _running.clear()

    return alone
