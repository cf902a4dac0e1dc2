"""Has a warm process run a command as if this process did: with its files, directory, variables and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from types import FrameType

from tcdflow.warm import identity, place, wire

VARIABLE = "TCDFLOW_WARM"
INTERRUPTED = 130
_COLD = {"shell", "warm", "help", "distill", "evaluate"}
"""Commands that are quick, or keep a process of their own for hours."""
_QUICK = {"-h", "--help", "--version", "-sc", "--shell-completion"}
_PLUGINS = ("hydra/launcher=", "hydra/sweeper=")
"""Launchers start processes, which inherit what is open in the one that starts them."""
BIRTH = 30.0
"""Seconds within which a process that was just started answers, before it imports anything big."""
_ONE_WISH = 0.5


def run(argv: list[str]) -> int | None:
    """Have a warm process run a command.

    Args:
        argv: the arguments of tcdflow.

    Returns:
        Its exit status; None if this process is to run it.
    """
    if not _suits(argv):
        return None
    try:
        channel = _connect()
        if channel is None:
            return None
        with channel:
            return _Command(channel).run(argv)
    except KeyboardInterrupt:
        print("tcdflow: interrupted", file=sys.stderr)
        return INTERRUPTED


def wanted() -> bool:
    """Say whether a warm process may be looked for: always with TCDFLOW_WARM=1, else if one was started."""
    asked = os.environ.get(VARIABLE, "")
    return sys.platform == "linux" and (asked == "1" or (asked == "" and os.path.isdir(place.directory())))


def _suits(argv: list[str]) -> bool:
    if (argv[:1] and argv[0] in _COLD) or not _QUICK.isdisjoint(argv) or sys.gettrace() or sys.getprofile():
        return False
    if any(word.lstrip("+").startswith(_PLUGINS) for word in argv):
        return False
    try:
        for number in range(3):
            os.fstat(number)
    except OSError:  # a stream is closed, whose number the socket would get
        return False
    return True


def _connect() -> socket.socket | None:
    name = identity.digest(identity.identity())
    folder = place.directory()
    try:
        if os.path.isdir(folder):
            place.check(folder)
        channel = place.connect(os.path.join(folder, name + place.ENDING))
        if channel is None and os.environ.get(VARIABLE) == "1":
            from tcdflow.warm.start import start

            channel = start(name)
            if channel is not None:
                channel.settimeout(BIRTH)
    except (place.PlaceError, OSError):  # `tcdflow warm start` says what it is
        return None
    return channel


class _Command:
    """A command under way in another process."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._process = 0
        self._first = 0.0

    def run(self, argv: list[str]) -> int | None:
        """Run it, and return its exit status; None if the process is busy, dead or hung: nothing was run then."""
        incoming = wire.Incoming(self._channel)
        try:
            here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # the directory is gone or closed, which is said better where it is needed
            return None
        try:
            wire.send(self._channel, {"do": "run"})
            answer = incoming.next()
            if answer is None or not isinstance(answer.get("ready"), int):
                return None
            self._process = int(str(answer["ready"]))
            self._channel.settimeout(None)
            wire.send(self._channel, self._order(argv), [0, 1, 2, here])
            self._listen()
        except (OSError, ValueError):
            return None
        finally:
            os.close(here)
        return self._end(incoming)

    def _order(self, argv: list[str]) -> wire.Message:
        umask = os.umask(0)
        os.umask(umask)
        return {"argv": [sys.argv[0], *argv], "umask": umask, "environment": dict(os.environ)}

    def _end(self, incoming: wire.Incoming) -> int:
        try:
            answer = incoming.next()
        except (OSError, ValueError):
            answer = None
        if answer is not None and isinstance(answer.get("status"), int):
            return int(str(answer["status"]))
        if self._first:
            return INTERRUPTED
        print(
            f"tcdflow: the warm process {self._process} ended before this command did (killed, or out of memory); "
            f"run it again, or with {VARIABLE}=0 in a process of its own",
            file=sys.stderr,
        )
        return 1

    def _listen(self) -> None:
        """Pass signals on, but for those that this process was started to ignore."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
            signal.signal(signal.SIGTSTP, self._pause)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):  # it is at its end
            wire.send(self._channel, {"signal": number})
        now = time.monotonic()
        if self._first and now - self._first > _ONE_WISH:
            os._exit(INTERRUPTED)
        self._first = self._first or now

    def _pause(self, number: int, frame: FrameType | None) -> None:
        """Stop with Ctrl-Z, and have the other process stop meanwhile."""
        os.kill(self._process, signal.SIGSTOP)
        try:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)  # goes on here when it is continued
        finally:
            signal.signal(number, self._pause)
            os.kill(self._process, signal.SIGCONT)
