"""Messages on a Unix socket: JSON objects, a line each, and open files that go with one."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence

Message = dict[str, object]

_MOST = 1 << 26
"""Bytes of a message; command lines and environments are shorter on any system."""
_FILES = 8


def send(channel: socket.socket, message: Message, files: Sequence[int] = ()) -> None:
    """Send a message.

    Args:
        channel: a connected Unix socket.
        message: what JSON can hold.
        files: descriptors that the other process gets copies of.

    Raises:
        OSError: if the other end is gone.
    """
    data = json.dumps(message).encode() + b"\n"
    sent = socket.send_fds(channel, [data], files) if files else 0
    channel.sendall(data[sent:])


class Incoming:
    """The messages that come over a socket.

    Attributes:
        files: descriptors that came with them.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._rest = b""
        self.files: list[int] = []

    def next(self) -> Message | None:
        """Wait for the next message; None if the other end is closed.

        Raises:
            OSError: if the other end is gone, or silent for longer than the socket's timeout.
            ValueError: if something else comes.
        """
        while b"\n" not in self._rest:
            data, files, *_ = socket.recv_fds(self._channel, 1 << 16, _FILES, socket.MSG_CMSG_CLOEXEC)
            self.files += files
            if not data:
                return None
            self._rest += data
            if len(self._rest) > _MOST:
                raise ValueError("the message is too long")
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("the message is no object")
        return message
