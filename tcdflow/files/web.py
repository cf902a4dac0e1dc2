"""Downloads one file from an http(s) address, which may be untrusted: in bounded time and size, from where it may be.

httpx2, which huggingface_hub brings, notices a short body, never leaves http(s) on a redirect, keeps a password from
other hosts and takes the addresses with spaces and umlauts that people paste.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import IO
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpcore2
import httpx2

from tcdflow._version import __version__
from tcdflow.errors import SourceError
from tcdflow.files.deadlines import LEAST, WINDOW, Backend, Clock
from tcdflow.files.hosts import is_loopback, is_public, resolve
from tcdflow.libraries.httpx2 import connect_by
from tcdflow.text import reason

_REDIRECTS = 5


@dataclass(frozen=True)
class Limits:
    """What a download may take.

    Attributes:
        silence: seconds until the server has answered with all headers, and between any two pieces of its body.
        whole: seconds for all of it, redirects included.
        most: bytes.
    """

    silence: float
    whole: float
    most: int


def download(url: str, file: IO[bytes], limits: Limits, *, private: bool) -> None:
    """Download a file.

    Args:
        url: http(s). Proxies are taken from the environment; through one, the proxy resolves names.
        file: to write into.
        limits: of time and size.
        private: whether the person at the command line named the address. Else neither it nor what it redirects to may
            be loopback, link-local or private.

    Raises:
        SourceError: in one line that does not name the URL.
        OSError: if the file cannot be written.
    """
    clock = Clock(limits.silence, limits.whole)
    headers = {"User-Agent": f"tcdflow/{__version__}", "Accept-Encoding": "identity"}
    judge = _Judge(_host(url) if private else None)
    try:
        with _unlogged(), httpx2.Client(headers=headers, timeout=limits.silence, verify=_trust()) as client:
            connect_by(client, Backend(judge))
            request = client.build_request("GET", url, extensions={"trace": clock.trace})
            for _ in range(_REDIRECTS + 1):
                judge.behind_proxy(request.url.host, clock)
                clock.start()
                with closing(client.send(request, stream=True)) as answer:
                    if answer.next_request is None:
                        if answer.is_redirect:
                            raise SourceError("redirects to no http(s) URL")
                        _keep(answer, file, limits.most)
                        return
                    request = answer.next_request  # what else it says is not read: it may have no end
            raise SourceError(f"redirects more than {_REDIRECTS} times")
    except (httpx2.TimeoutException, httpcore2.TimeoutException):
        raise SourceError(_too_late(clock, limits)) from None
    except httpx2.UnsupportedProtocol:
        raise SourceError("is, or redirects to, no http(s) URL") from None
    except httpx2.ProxyError as error:
        raise SourceError(f"the proxy refused: {reason(error)}") from None
    except httpx2.ConnectError as error:
        raise SourceError(f"the host cannot be reached ({reason(error)})") from None
    except httpx2.TransportError as error:
        raise SourceError(f"the connection failed ({reason(error)})") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SourceError(f"cannot be fetched ({type(error).__name__})") from None
    except (ImportError, ValueError):  # of the client: a SOCKS proxy without its package, a proxy that is no URL
        what = "is not a URL that can be fetched, or the environment's proxy setting cannot be used"
        raise SourceError(what) from None


class _Judge:
    """Refuses hosts that are not public, but for the machine that the person named and the environment's proxies."""

    def __init__(self, named: str | None) -> None:
        self._named = named
        self._addresses: set[str] = set()
        self._proxies = {_host(proxy) for scheme, proxy in getproxies().items() if scheme != "no"}

    def __call__(self, host: str, addresses: Sequence[str]) -> None:
        if host not in self._proxies:
            self._judge(host, addresses)

    def behind_proxy(self, host: str, clock: Clock) -> None:
        """Judge what a proxy would be asked for, as far as its name is known here."""
        if self._proxies:
            try:
                addresses = resolve(host, 0, clock.limit(None))
            except OSError:
                return
            self._judge(host, addresses)

    def _judge(self, host: str, addresses: Sequence[str]) -> None:
        if host == self._named:
            self._addresses.update(addresses)
            return
        for address in addresses:
            if not is_public(address) and not self._is_named(address):
                where = address if address == host else f"{host} ({address})"
                what = f"leads to {where}, which is not a public address"
                raise SourceError(f"{what}: only an override on the command line may name one")

    def _is_named(self, address: str) -> bool:
        """Say whether an address is the named machine's, which may redirect to itself under another name."""
        return address in self._addresses or (is_loopback(address) and any(map(is_loopback, self._addresses)))


def _keep(answer: httpx2.Response, file: IO[bytes], most: int) -> None:
    if not answer.is_success:
        raise SourceError(f"the server answered {_status(answer.status_code)}")
    declared = answer.headers.get("Content-Length", "")
    got = int(declared[:20]) if declared.isdecimal() else 0
    if got <= most:
        got = 0
        for chunk in answer.iter_bytes():
            got += len(chunk)
            if got > most:
                break
            file.write(chunk)
    if got > most:
        raise SourceError(f"is larger than {most // 2**20} MiB")


def _too_late(clock: Clock, limits: Limits) -> str:
    if clock.is_over:
        return f"was not complete after {limits.whole:g} s"
    if clock.too_slow:
        return f"comes at less than {LEAST / WINDOW / 1024:g} KiB a second"
    return f"the server did not answer within {limits.silence:g} s"


def _host(url: str) -> str | None:
    try:
        return httpx2.URL(url).host or urlsplit(url).hostname
    except (httpx2.InvalidURL, ValueError):
        return None


@cache
def _trust() -> ssl.SSLContext:
    """Return whom to trust, read once: each client by itself would read the certificates for thirty milliseconds."""
    return httpx2.create_ssl_context()


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the client from logging, at INFO and so into a run's log, URLs with all their secrets."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    with ExitStack() as stack:
        for name in ("httpx2", "httpcore2.http11"):
            logger = logging.getLogger(name)
            logger.addFilter(nothing)
            stack.callback(logger.removeFilter, nothing)
        yield


def _status(code: int) -> str:
    # The phrase is ours and not the server's, which may be anything.
    return f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)
