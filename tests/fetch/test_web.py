"""Requests end: each is limited as a whole, in every phase, and goes to public addresses alone."""

from __future__ import annotations

import io
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress

import pytest
from huggingface_hub import constants

from tcdflow.errors import ConfigError, SourceError
from tcdflow.files import deadlines, web
from tcdflow.files.hosts import is_public
from tcdflow.files.resolve import resolve
from tcdflow.files.web import Limits, download
from tests.hub import StandInHub
from tests.hub.fixtures import point_client_at
from tests.quick.files.fakes import pipeline, spec

LIMITS = Limits(silence=0.3, whole=0.6, most=1000)
OK = b"HTTP/1.1 200 OK\r\n"
Talk = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], str]]:
    """Serve each connection by a function that is given its socket; returns the address."""
    open_: list[socket.socket] = []

    def start(talk: Talk) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        open_.append(server)

        def work() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    open_.append(connection)
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with suppress(OSError), closing(connection):
                connection.recv(65536)
                talk(connection)

        threading.Thread(target=work, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for each in open_:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def every(pause: float, *parts: bytes) -> Talk:
    """Send parts, the last of them again and again."""

    def talk(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
        while True:
            time.sleep(pause)
            connection.sendall(parts[-1])

    return talk


def failure(url: str, *, private: bool = True, limits: Limits = LIMITS) -> str:
    with pytest.raises(SourceError) as caught:
        download(url, io.BytesIO(), limits, private=private)
    assert url not in str(caught.value)
    return str(caught.value)


DRIPS = {
    "status": every(0.02, b"H"),
    "headers": every(0.02, OK, b"x"),
    "1xx": every(0.02, b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "1xx flood": every(0.0, b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_headers_that_never_end(serve: Callable[[Talk], str], drip: str) -> None:
    assert failure(serve(DRIPS[drip])) == "the server did not answer within 0.3 s"


@pytest.mark.parametrize("headers", [b"Content-Length: 999\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n1;"])
def test_a_body_that_never_ends(serve: Callable[[Talk], str], headers: bytes) -> None:
    """Of a chunk's length too, which is no body yet."""
    assert failure(serve(every(0.02, OK + headers, b"1"))) == "was not complete after 0.6 s"


def test_a_body_that_comes_too_slowly(serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "WINDOW", 0.1)
    limits = Limits(silence=5, whole=20, most=1000)
    url = serve(every(0.02, OK + b"Content-Length: 999\r\n\r\n", b"1"))
    assert failure(url, limits=limits).startswith("comes at less than ")


def test_a_redirect_whose_body_never_ends(serve: Callable[[Talk], str]) -> None:
    there = serve(lambda connection: connection.sendall(OK + b"Content-Length: 2\r\n\r\nhi"))
    head = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % there.encode()
    got = io.BytesIO()
    download(serve(every(0.0, head, bytes(65536))), got, Limits(5, 20, 1000), private=True)
    assert got.getvalue() == b"hi"


def test_redirects_share_one_deadline(serve: Callable[[Talk], str]) -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.2)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    assert failure(serve(slowly)) == "was not complete after 0.6 s"


def test_a_resolver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def wait(*_: object, **__: object) -> list[object]:
        asked.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    assert failure("http://slow.example/") == "the server did not answer within 0.3 s"
    asked.set()


PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


def test_which_addresses_are_public() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The system's resolver, which knows only these answers, and tells what it was asked."""
    asked: list[str] = []
    known = {"inside.example": ["127.0.0.1"], "other.example": ["10.0.0.9"], "both.example": ["1.1.1.1", "10.0.0.1"]}

    def getaddrinfo(host: str, port: int, *args: object, **kwargs: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found: Sequence[str] = known.get(host, [host])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "inside.example", "both.example", "169.254.169.254", "[::ffff:127.0.0.1]", "[::1]"]
)
@pytest.mark.usefixtures("resolver")
def test_what_is_not_public_is_not_connected_to(host: str) -> None:
    said = failure(f"http://{host}:1/x.png", private=False)
    assert "which is not a public address: only an override on the command line may name one" in said


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "localhost"])
def test_other_ways_to_write_loopback(host: str) -> None:
    assert "not a public address" in failure(f"http://{host}:1/", private=False)


@pytest.mark.parametrize("private", [True, False])
def test_a_redirect_is_judged_like_the_first_address(
    private: bool, serve: Callable[[Talk], str], resolver: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first host is the person's or public; the one that it leads to is neither."""
    url = serve(lambda c: c.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://other.example:1/\r\n\r\n"))
    if not private:
        monkeypatch.setattr(web, "is_public", lambda address: resolver[-1] != "other.example")
    assert "leads to other.example (10.0.0.9), which is not a public address" in failure(url, private=private)


def test_a_name_is_resolved_once(serve: Callable[[Talk], str], resolver: list[str]) -> None:
    """What was judged is connected to: the system is given the address, not the name again."""
    port = serve(lambda c: c.sendall(OK + b"Content-Length: 2\r\n\r\nhi")).rpartition(":")[2]
    download(f"http://inside.example:{port}/", io.BytesIO(), LIMITS, private=True)
    assert resolver.count("inside.example") == 1
    assert set(resolver) == {"inside.example", "127.0.0.1"}


def test_behind_a_proxy_names_are_judged_too(serve: Callable[[Talk], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", serve(lambda c: c.sendall(OK + b"Content-Length: 2\r\n\r\nhi")))
    assert "not a public address" in failure("http://localhost:1/", private=False)
    got = io.BytesIO()
    download("http://images.invalid/", got, LIMITS, private=False)
    assert got.getvalue() == b"hi"


class TestHub:
    """Its client's requests are limited in the same way."""

    @pytest.mark.parametrize("drip", DRIPS)
    def test_headers_that_never_end(
        self, serve: Callable[[Talk], str], drip: str, tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        point_client_at(serve(DRIPS[drip]), tmp_path_factory.mktemp("hf"), monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
        with pytest.raises(ConfigError, match=r"the hub did not answer within 0\.1 s"):
            resolve(spec("o/sd"))

    def test_ctrl_c_ends_it_at_once(self, hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where the client waits for threads of its own, whose requests would go on for a minute."""
        hub.add("o/sd", pipeline())
        hub.fail("hang", "HEAD .*/resolve/")
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 60)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)

        def press() -> None:
            while not any(request.method == "HEAD" for request in hub.requests):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        threads = set(threading.enumerate())
        threading.Thread(target=press, daemon=True).start()
        try:
            with pytest.raises(KeyboardInterrupt):
                resolve(spec("o/sd"))
        finally:
            signal.signal(signal.SIGINT, before)
        for thread in set(threading.enumerate()) - threads:
            if not thread.daemon:  # which the process would wait for
                thread.join(20)
                assert not thread.is_alive(), thread
