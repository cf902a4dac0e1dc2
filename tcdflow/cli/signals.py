"""Ctrl-C, SIGTERM and a closed terminal: the first stops cleanly, a second one at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 130
STOPPED = "tcdflow: interrupted"
_ONE_WISH = 0.5
"""Seconds within which signals are one wish: ``timeout`` and some shells send theirs to process and group."""
_A_MOMENT = 0.02
"""Seconds after which an interrupt that could not be raised comes again."""
_SILENCE = 2.0
"""Seconds that a first signal may go unanswered, while torch computes, before somebody says what will happen."""

_NO_SIGNAL = 0
"""What is written into the pipe of signals to learn when all before it was read."""

_stopping = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_first: list[float] = []
_requests: list[float] = []
_listening: list[tuple[threading.Thread, int]] = []
"""The thread that reads the pipe of signals, and the end that they are written to."""
_read_up = threading.Event()


def listen() -> None:
    """Make this process stop on signals, but for those that its parent had it ignore, as ``nohup`` does."""
    for number in _stopping:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_ctrl_c)
    # Python's handlers wait until a call into torch returns, which may take minutes. This pipe gets the signal at once.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reading,), name="signals", daemon=True)
    thread.start()
    _listening[:] = [(thread, writing)]
    sys.unraisablehook = _raise_again


def interrupted() -> bool:
    """Say whether a signal came. The exception that it raised may have been lost in a library's callback."""
    _read_all()
    return bool(_first)


def forget() -> None:
    """Take all signals by now as answered: the next one is a first one."""
    _read_all()
    _first.clear()
    _requests.clear()


def _read_all() -> None:
    """Wait until the thread that listens has read what was written by now: the exception may be here before it."""
    for thread, writing in _listening:
        if thread.is_alive():  # not in a fork
            _read_up.clear()
            os.write(writing, bytes([_NO_SIGNAL]))
            _read_up.wait()


def deafen() -> None:
    """Let signals interrupt nothing any more, all being done; a second one still ends the process at once."""
    for number in (signal.SIGINT, *_stopping):
        if signal.getsignal(number) in (signal.default_int_handler, _as_ctrl_c):
            signal.signal(number, _as_nothing)


def hear_again() -> bool:
    """Have a process that waits for its next command end on SIGTERM again; a Ctrl-C is no wish of it.

    Returns:
        Whether a signal came meanwhile, since all were forgotten.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    came = interrupted()
    forget()
    for number in _stopping:
        if signal.getsignal(number) is _as_nothing:
            signal.signal(number, _as_ctrl_c)
    return came


def _as_nothing(number: int, frame: FrameType | None) -> None: ...


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _requests and now - _requests[0] < _ONE_WISH:
        return
    _requests.append(now)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of what a shell script has put in the background
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _raise_again(lost: UnraisableHookArgs) -> None:
    """Raise an interrupt once more that came where none can be raised: pydantic builds validators in such places."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    _first[:] = [time.monotonic()]  # that it comes again is no second wish
    # By then this hook, whose errors are lost too, has returned.
    again = threading.Timer(_A_MOMENT, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    again.daemon = True
    again.start()


def _watch(pipe: int) -> None:
    told = False
    while True:
        if not select.select([pipe], [], [], _SILENCE if _first and not told else None)[0]:
            if _first:  # it may have been answered meanwhile
                told = True
                _say("stopping once the work at hand is done; a second Ctrl-C ends it at once")
            continue
        number = os.read(pipe, 1)[0]
        if number == _NO_SIGNAL:
            _read_up.set()
        if number not in (signal.SIGINT, *_stopping):
            continue
        now = time.monotonic()
        if not _first:
            told = False
            _first.append(now)
        elif now - _first[0] > _ONE_WISH:
            _say("ended at once")
            os._exit(INTERRUPTED)


def _say(what: str) -> None:
    """Write a line while the main thread cannot."""
    with contextlib.suppress(OSError):
        os.write(2, f"\ntcdflow: {what}\n".encode())
