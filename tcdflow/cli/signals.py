"""Ctrl-C, SIGTERM and a closed terminal: the first stops cleanly, a second one at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

INTERRUPTED = 130
_ONE_WISH = 0.5
"""Seconds within which signals are one wish: ``timeout`` and some shells send theirs to process and group."""

_stopping = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_first: list[float] = []
_requests: list[float] = []


def listen() -> None:
    """Make this process stop on signals, but for those that its parent had it ignore, as ``nohup`` does."""
    for number in _stopping:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_ctrl_c)
    # Python's handlers wait until a call into torch returns, which may take minutes. This pipe gets the signal at once.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), name="signals", daemon=True).start()


def interrupted() -> bool:
    """Say whether a signal was heard. The exception that it raised may have been lost in a library's callback."""
    return bool(_first)


def forget() -> None:
    """Take what was heard as answered: the next signal is a first one."""
    _first.clear()
    _requests.clear()


def deafen() -> None:
    """Let signals interrupt nothing any more, all being done; a second one still ends the process at once."""
    for number in (signal.SIGINT, *_stopping):
        if signal.getsignal(number) in (signal.default_int_handler, _as_ctrl_c):
            signal.signal(number, lambda number, frame: None)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _requests and now - _requests[0] < _ONE_WISH:
        return
    _requests.append(now)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of what a shell script has put in the background
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _watch(pipe: int) -> None:
    while received := os.read(pipe, 1):
        if received[0] not in (signal.SIGINT, *_stopping):
            continue
        now = time.monotonic()
        if not _first:
            _first.append(now)
        elif now - _first[0] > _ONE_WISH:
            os._exit(INTERRUPTED)
