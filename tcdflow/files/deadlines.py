"""Time limits of requests, over every phase: resolving, connecting, TLS, headers and body.

A client's own timeouts each hold for one read alone: a server that sends a byte of a header now and then, or 1xx
answers without end, holds it for ever. Here a :class:`Clock` limits each request as a whole, and a :class:`Backend`
makes connections that keep to it.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpcore2

from tcdflow.files.hosts import resolve

WINDOW = 30.0
"""Seconds in each of which a body has to bring a few bytes."""
LEAST = 30 * 1024
"""The bytes: 1 KiB a second, slower than any modem."""
UNSIZED = 300.0
"""Seconds for a body whose length the server does not tell."""

Judge = Callable[[str, Sequence[str]], None]
"""Raises an error if a host with these IP addresses may not be connected to."""

_local = threading.local()


class StoppedError(Exception):
    """The user wants to stop."""


class Clock:
    """The time that one request has, and may still take.

    Args:
        answer: seconds until all headers of the answer have come.
        whole: seconds until all of it has come, over all redirects; None where the length of the body tells.
    """

    def __init__(self, answer: float, whole: float | None = None) -> None:
        self._answer = answer
        self._end = math.inf if whole is None else time.monotonic() + whole
        self._unsized = whole is None
        self.start()

    def start(self) -> None:
        """Begin a request of this thread: the first, or one that a redirect leads to."""
        self.answered = self.too_slow = False
        self._until = min(self._end, time.monotonic() + self._answer)
        _local.clock = self

    @property
    def is_over(self) -> bool:
        """Whether the time for the whole request is used up."""
        return time.monotonic() >= self._end

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow the request (httpx's ``trace`` extension): its body begins when the headers are complete."""
        if event == "http11.receive_response_headers.complete":
            self.answered = True
            self._since, self._got = time.monotonic(), 0
            headers = info["return_value"][3]
            sized = any(name.lower() == b"content-length" for name, _ in headers)
            self._until = self._end if sized or not self._unsized else self._since + UNSIZED

    def limit(self, timeout: float | None) -> float | None:
        """Return how long the next step may take.

        Raises:
            httpcore2.ReadTimeout: if no time is left.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("no time left")
        return timeout if left == math.inf else left if timeout is None else min(timeout, left)

    def got(self, count: int) -> None:
        """Count bytes that have come.

        Raises:
            httpcore2.ReadTimeout: if they come too slowly.
        """
        if not self.answered:
            return
        self._got += count
        now = time.monotonic()
        if now - self._since > WINDOW:
            if self._got < LEAST:
                self.too_slow = True
                raise httpcore2.ReadTimeout("too slow")
            self._since, self._got = now, 0


class Backend(httpcore2.NetworkBackend):
    """Makes connections within the time of this thread's request, to the addresses that were judged.

    Args:
        judge: says of each host whether it may be connected to.
    """

    def __init__(self, judge: Judge = lambda host, addresses: None) -> None:
        self._judge = judge
        self._system = httpcore2.SyncBackend()
        self._streams: weakref.WeakSet[_Stream] = weakref.WeakSet()
        self.stopped = threading.Event()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to a host; its name is resolved once, so that no other address is connected to than was judged.

        Raises:
            httpcore2.ConnectError: if it cannot be reached.
            httpcore2.TimeoutException: if there is no time left.
            Exception: whatever the judge raises.
        """
        if self.stopped.is_set():
            raise StoppedError
        clock = _current()
        try:
            addresses = resolve(host, port, clock.limit(timeout))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        self._judge(host, addresses)
        for number, address in enumerate(addresses, 1):
            try:
                connection = self._system.connect_tcp(
                    address, port, clock.limit(timeout), local_address, socket_options
                )
            except httpcore2.ConnectError:
                if number == len(addresses):
                    raise
            else:
                stream = _Stream(connection, self)
                self._streams.add(stream)
                return stream
        raise httpcore2.ConnectError(f"{host} has no address")

    def stop(self) -> None:
        """End all requests, in whichever thread they wait."""
        self.stopped.set()
        for stream in list(self._streams):
            with suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class _Stream(httpcore2.NetworkStream):
    """A connection, each use of which is within the time of the request that wrote to it last."""

    def __init__(self, connection: httpcore2.NetworkStream, backend: Backend) -> None:
        self._connection = connection
        self._backend = backend
        self._clock = _current()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._connection.read(max_bytes, self._clock.limit(timeout))
        if self._backend.stopped.is_set():
            raise StoppedError
        self._clock.got(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._clock = _current()
        self._connection.write(buffer, self._clock.limit(timeout))

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secure = self._connection.start_tls(ssl_context, server_hostname, self._clock.limit(timeout))
        stream = _Stream(secure, self._backend)
        self._backend._streams.add(stream)
        return stream

    def get_extra_info(self, info: str) -> Any:
        return self._connection.get_extra_info(info)


def _current() -> Clock:
    clock: Clock | None = getattr(_local, "clock", None)
    return clock or Clock(math.inf)
