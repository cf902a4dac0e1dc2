"""Starts a warm process: whoever starts it makes its socket, so that a command can be sent to it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from tcdflow.warm import identity, place, wire

IDLE = 30.0
"""Minutes without a command after which it ends."""
_PATIENCE = 5.0
_PROGRAM = (
    "import sys; root = sys.argv.pop(1); root in sys.path or sys.path.insert(0, root); "
    "from tcdflow.cli.serve import main; main(*sys.argv[1:])"
)


def start(name: str, *, idle: float = IDLE, ready: bool = False) -> socket.socket | None:
    """Start a process for commands of this identity, and have those for others end.

    Args:
        name: the digest of the identity.
        idle: minutes without a command after which it ends.
        ready: whether it imports what a run needs at once; else the first command does.

    Returns:
        A connection to it; None if that is not to be had.

    Raises:
        PlaceError: if there is no place for its socket.
        OSError: if the system does not let it be started.
    """
    folder = place.make_directory()
    path = os.path.join(folder, name + place.ENDING)
    with _alone(folder):
        there = place.connect(path)
        if there is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            with place.listen(path) as listening:
                _spawn(listening, name, idle, ready)
            there = place.connect(path)
    for other in place.sockets():
        if other != path:
            stop(other)
    return there


def stop(path: str) -> wire.Message | None:
    """Have a process end once the command that it runs is done; return what it says of itself, if it answers."""
    return ask(path, "stop")


def wait_until_ended(path: str) -> None:
    """Wait until a process that was told to stop takes no more commands, for some seconds at most.

    Without that the next command could still meet it, and would run cold beside it.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and (channel := place.connect(path)) is not None:
        channel.close()
        time.sleep(0.02)


def ask(path: str, what: str) -> wire.Message | None:
    """Ask a process for its status, or to stop; None if none answers."""
    channel = place.connect(path)
    if channel is None:
        return None
    with channel:
        return said(channel, what)


def said(channel: socket.socket, what: str, patience: float | None = None) -> wire.Message | None:
    """Ask over a connection; what takes longer than so many seconds is no answer."""
    if patience is not None:
        channel.settimeout(patience)
    try:
        wire.send(channel, {"do": what})
        return wire.Incoming(channel).next()
    except (OSError, ValueError):
        return None


def kill(path: str) -> bool:
    """End a process that answers no more; False if there is none."""
    channel = place.connect(path)
    if channel is None:
        return False
    with channel:
        pid, _ = place.peer(channel)
    name = os.path.basename(path).removesuffix(place.ENDING)
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as words:
            if name.encode() not in words.read().split(b"\0"):
                return False
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


def _spawn(listening: socket.socket, name: str, idle: float, ready: bool) -> None:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # -P: the directory where somebody happens to be must not be where it looks for what it imports later.
    words = [sys.executable, "-P", "-c", _PROGRAM, root, str(listening.fileno()), name, str(idle), str(int(ready))]
    subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=identity.without_secrets(),
        pass_fds=[listening.fileno()],
        start_new_session=True,
    )


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Let nobody else start one meanwhile.

    Raises:
        PlaceError: if somebody else does for long.
    """
    from filelock import lock_descriptor  # only who starts a process has to pay for it

    handle = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + _PATIENCE
        while not lock_descriptor(handle, blocking=False):
            if time.monotonic() > end:
                raise place.PlaceError(f"another process has kept {folder}/lock for too long")
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)
