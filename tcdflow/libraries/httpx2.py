"""Private parts of httpx2."""

from __future__ import annotations

from httpcore2 import NetworkBackend
from httpx2 import Client, HTTPTransport


def connect_by(client: Client, backend: NetworkBackend) -> None:
    """Have a client make its connections, those to proxies included, by a backend of httpcore2.

    Private: ``Client._transport`` and ``_mounts``, ``HTTPTransport._pool``, ``ConnectionPool._network_backend``. In its
    place: ``network_backend=`` of ``httpx2.HTTPTransport``, which httpcore2's own pools have.
    """
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, HTTPTransport):
            transport._pool._network_backend = backend
