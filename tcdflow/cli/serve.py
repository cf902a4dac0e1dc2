"""The warm process: runs the commands of other processes, one at a time, on an engine that stays loaded.

They run in its main thread, since a fork of a process whose threads compute, or that has opened a GPU, computes no
more. A command that comes while another runs is told so, and runs where it was typed.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tcdflow.cli import as_caller, in_turn, made
from tcdflow.cli.engines import shared
from tcdflow.cli.leave import leave
from tcdflow.cli.process import prepare_process
from tcdflow.cli.signals import INTERRUPTED, STOPPED, deafen, forget, hear_again
from tcdflow.cli.streams import guard
from tcdflow.engine import card
from tcdflow.engine.warm import WarmEngine
from tcdflow.files.memory import is_short, resident_bytes
from tcdflow.warm import identity, place, wire

_GREETING = 5.0
"""Seconds within which a caller says what it wants."""
_LOOK = 5.0
"""Seconds between two looks at the time and the memory."""
_MOMENT = 0.1
"""Seconds after which a caller is listened to again, where one could not be."""
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Call:
    """A command of another process, which is at the other end of a socket.

    Attributes:
        signalled: whether the caller was, or is gone.
    """

    def __init__(self, channel: socket.socket, order: as_caller.Order) -> None:
        self.order = order
        self.signalled = False
        self._channel = channel
        self._runs = False
        self._lock = threading.Lock()

    def signal(self, number: object) -> None:
        """Signal this process as the caller was, if the command runs; of one that has not begun it is remembered."""
        with self._lock:
            if number in _STOPS:
                self.signalled = True
                if self._runs:
                    os.kill(os.getpid(), int(str(number)))

    def begin(self) -> None:
        """Heed the caller's signals from now on.

        Raises:
            KeyboardInterrupt: if there was one already.
        """
        with self._lock:
            self._runs = True
        if self.signalled:
            raise KeyboardInterrupt

    def settle(self) -> None:
        """Heed no more signals of the caller."""
        with self._lock:
            self._runs = False

    def tell(self, status: int) -> None:
        """Tell the caller how the command ended."""
        with suppress(OSError):
            wire.send(self._channel, {"status": status})


class Server:
    """Runs commands until it is told to stop, nobody has wanted it for long, or memory is short.

    Args:
        listening: the socket.
        path: where that is met.
        idle: minutes without a command after which it ends.
    """

    def __init__(self, listening: socket.socket, path: Path, idle: float) -> None:
        self._listening = listening
        self._path = path
        self._own = path.stat().st_ino
        self._idle = idle
        self._identity = identity.identity()
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._taken = threading.Lock()  # by a command, or by the end
        self._stopping = False
        self._commands = 0
        self._began = self._last = time.monotonic()

    def run(self, *, ready: bool = False) -> None:
        """Run commands.

        Args:
            ready: import and load first what most runs need.
        """
        self._listening.listen()  # anew: so callers know which process they speak to
        threading.Thread(target=self._accept, name="callers", daemon=True).start()
        with shared() as engine, suppress(KeyboardInterrupt):  # SIGTERM, while nothing runs
            if ready:
                _get_ready(engine)
            while self._next(engine):
                pass
        if self._is_met():
            self._path.unlink()
        self._listening.close()

    def _next(self, engine: WarmEngine) -> bool:
        """Run the next command if one comes soon; False at the end."""
        try:
            call = self._calls.get(timeout=_LOOK)
        except queue.Empty:
            call = None
        if call is None:
            return not (self._is_unwanted() and self._taken.acquire(blocking=False))
        status = as_caller.run(call.order, lambda argv: run(argv, call, engine))
        meant_for_us = hear_again() or (status == INTERRUPTED and not call.signalled)
        for file in call.order.files:
            os.close(file)
        self._commands += 1
        self._last = time.monotonic()
        # Processes that it has started keep its files open; and a signal that no caller sent was meant for this one.
        last = _has_children() or meant_for_us
        if not last:
            self._taken.release()
        call.tell(status)
        card.give_back()
        return not last

    def _is_unwanted(self) -> bool:
        if self._stopping or time.monotonic() - self._last > 60 * self._idle:
            return True
        return is_short() or card.is_short() or not self._is_met()

    def _is_met(self) -> bool:
        """Say whether callers still find it: directories of sockets are emptied when users log out."""
        try:
            return self._path.stat().st_ino == self._own
        except OSError:
            return False

    def _accept(self) -> None:
        while self._listening.fileno() >= 0:
            try:
                channel, _ = self._listening.accept()
            except OSError:  # there are no descriptors left for a moment
                time.sleep(_MOMENT)
                continue
            try:
                threading.Thread(target=self._greet, args=(channel,), daemon=True).start()
            except RuntimeError:  # nor threads
                channel.close()

    def _greet(self, channel: socket.socket) -> None:
        channel.settimeout(_GREETING)
        with channel, suppress(OSError, ValueError):
            if not place.of_this_user(channel):
                return
            incoming = wire.Incoming(channel)
            wanted = (incoming.next() or {}).get("do")
            if wanted == "run":
                self._take(channel, incoming)
            elif wanted in ("status", "stop"):
                wire.send(channel, self._status())
            if wanted == "stop":
                self._stopping = True
                self._calls.put(None)

    def _take(self, channel: socket.socket, incoming: wire.Incoming) -> None:
        """Take a command, and pass its caller's signals on while it runs."""
        if not self._taken.acquire(blocking=False):
            wire.send(channel, {"busy": True})
            return
        call = None
        try:
            wire.send(channel, {"ready": os.getpid()})
            message = incoming.next()  # of a caller that has not given up meanwhile
            if message is not None:
                call = Call(channel, as_caller.Order.of(message, incoming.files))
        finally:
            if call is None:
                self._taken.release()
        self._calls.put(call)
        channel.settimeout(None)
        with suppress(OSError, ValueError):
            while call is not None and (message := incoming.next()) is not None:
                call.signal(message.get("signal"))
        if call is not None:
            call.signal(signal.SIGINT)  # the caller is gone

    def _status(self) -> wire.Message:
        now = time.monotonic()
        return {
            "pid": os.getpid(),
            "seconds": now - self._began,
            "idle_seconds": now - self._last,
            "idle": self._idle,
            "commands": self._commands,
            "busy": self._taken.locked(),
            "bytes": resident_bytes(),
            "identity": self._identity,
        }


def main(descriptor: str, name: str, idle: str, ready: str) -> NoReturn:
    """Be a warm process, whose socket was made by the one that started it.

    Args:
        descriptor: number of the socket.
        name: digest of the identity that it is to have.
        idle: minutes without a command after which it ends.
        ready: ``1`` to import and load at once what most runs need.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    listening = socket.socket(fileno=int(descriptor))
    if identity.digest(identity.identity()) == name:  # else interpreter flags differ, say
        guard()
        prepare_process()
        server = Server(listening, Path(place.directory(), name + place.ENDING), float(idle))
        server.run(ready=ready == "1")
    leave(0)


def run(argv: Sequence[str], call: Call, engine: WarmEngine) -> int:
    """Run a command, and hear its caller's signals meanwhile alone; one that came before ends it before it begins."""
    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            call.begin()
            return in_turn.run(argv, engine)
        except KeyboardInterrupt:
            print(STOPPED, file=sys.stderr)
            return INTERRUPTED
        finally:
            _settle(call)
    except KeyboardInterrupt:  # another one, while the first was answered
        _settle(call)
        return INTERRUPTED


def _settle(call: Call) -> None:
    """Have no signal of a command's caller reach what comes after the command."""
    settled = False
    while not settled:
        with suppress(KeyboardInterrupt):  # of a signal that came too late
            call.settle()
            deafen()
            forget()
            made.take()
            settled = True


def _get_ready(engine: WarmEngine) -> None:
    """Import and load what a run of the defaults needs, by making an image that nobody sees."""
    from tcdflow.config.compose import Composer
    from tcdflow.request.prepare import prepare
    from tcdflow.request.request import Request

    with suppress(Exception):  # a command will say what it is
        prepared = prepare(Request.composed(Composer().compose(["sampling.steps=1"])))
        engine().run(prepared.spec, prepared.files)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
