"""Which addresses of a network are public: names are resolved once, and judged by what they resolve to."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet.

    Loopback, link-local (where clouds keep their metadata), private, shared, multicast and reserved addresses are not,
    nor is an IPv6 address that stands for an IPv4 one of these.
    """
    known = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(known, ipaddress.IPv6Address):
        inner = known.ipv4_mapped or known.sixtofour or (known.teredo or (None, None))[1]
        if inner is None and known in _NAT64:
            inner = ipaddress.IPv4Address(int(known) & 0xFFFFFFFF)
        known = inner or known
    return known.is_global and not known.is_multicast and not known.is_reserved


def is_loopback(address: str) -> bool:
    """Say whether an IP address is this machine's own."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def resolve(host: str, port: int, seconds: float | None) -> Sequence[str]:
    """Return the IP addresses of a host. The system's resolver cannot be interrupted, so it works on another thread.

    Raises:
        TimeoutError: if that takes longer than ``seconds``.
        OSError: if there are none.
    """
    answer: Future[Sequence[str]] = Future()

    def work() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode
            answer.set_exception(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=work, name="resolve", daemon=True).start()
    return answer.result(seconds)
