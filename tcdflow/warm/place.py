"""Where warm processes are met: sockets in a directory that is this user's alone, a socket for each identity."""

from __future__ import annotations

import os
import socket
import stat
import struct

ENDING = ".sock"
_ANSWER = 2.0
"""Seconds within which a process that is well answers, however busy the machine is."""
_LONGEST = 107
"""Bytes that the path of a Unix socket may have on Linux."""


class PlaceError(Exception):
    """There is no place where this user's processes could meet safely. The text is for people."""


def directory() -> str:
    """Return the path of the directory, whether or not it is there."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        return os.path.join(runtime, "tcdflow")
    return f"/tmp/tcdflow-{os.getuid()}"


def make_directory() -> str:
    """Make the directory if need be, and return its path.

    Raises:
        PlaceError: if it cannot be made, or somebody else could reach into it.
    """
    path = directory()
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise PlaceError(f"{path} cannot be made: {error.strerror}; XDG_RUNTIME_DIR=DIR names another place") from None
    check(path)
    return path


def check(path: str) -> None:
    """See that a directory, and the one that holds it, are not for others to write to.

    Raises:
        PlaceError: if they are, or the directory is not there.
    """
    try:
        own, holder = os.lstat(path), os.stat(os.path.dirname(path))
    except OSError as error:
        raise PlaceError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISDIR(own.st_mode) or own.st_uid != os.getuid() or own.st_mode & 0o077:
        raise PlaceError(f"{path} must be a directory of yours that nobody else may enter (mode 0700)")
    open_to_others = holder.st_mode & 0o022 and not holder.st_mode & stat.S_ISVTX
    if holder.st_uid not in (0, os.getuid()) or open_to_others:
        raise PlaceError(f"{os.path.dirname(path)} is another user's, or others may write to it; set XDG_RUNTIME_DIR")


def sockets() -> list[str]:
    """Return the paths of the sockets that are there, those of processes that died among them."""
    path = directory()
    try:
        check(path)
        return sorted(os.path.join(path, name) for name in os.listdir(path) if name.endswith(ENDING))
    except (PlaceError, OSError):
        return []


def connect(path: str) -> socket.socket | None:
    """Connect to a process of this user; None if there is none.

    Returns:
        The socket, whose timeout is what a process that is well takes to answer.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(_ANSWER)
    try:
        channel.connect(path)
        if of_this_user(channel):
            return channel
    except OSError:  # not there, dead, or with more callers than it can hear
        pass
    channel.close()
    return None


def listen(path: str) -> socket.socket:
    """Make a socket that this user alone can connect to.

    Raises:
        PlaceError: if its path is too long.
        OSError: if it cannot be made.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise PlaceError(f"{path} is too long for a socket's path; XDG_RUNTIME_DIR=DIR names another place")
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        channel.bind(path)
        channel.listen(16)
    except BaseException:
        channel.close()
        raise
    finally:
        os.umask(before)
    return channel


def of_this_user(channel: socket.socket) -> bool:
    """Say whether the other end belongs to this user, as the kernel knows it."""
    return peer(channel)[1] == os.getuid()


def peer(channel: socket.socket) -> tuple[int, int]:
    """Return the process and the user at the other end: who connected, or who last listened."""
    form = struct.Struct("3i")
    pid, user, _ = form.unpack(channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return int(pid), int(user)
