"""Input images by their URL: fetched once, from a server on the loopback that does all that servers do."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tcdflow.files import images
from tcdflow.files.image_header import check_image
from tcdflow.files.images import public_url, resolve_image
from tests.quick.files.images import KNOWN, PNG, complaint, encoded
from tests.quick.files.site import Site, site

__all__ = ["site"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no proxy between the tests and their server."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


def kept(folder: Path) -> list[str]:
    """Return the names in the cache, without the records."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".url") if folder.is_dir() else []


class TestPublicUrl:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("in/image.png?token=1", "in/image.png?token=1"),
            ("https://host/x.png", "https://host/x.png"),
            ("https://host:8/pkg@1.2/x.png?width=3&b#part", "https://host:8/pkg@1.2/x.png?width=3&b"),
            ("https://user:pa%20ss@host/x.png", "https://host/x.png"),
            ("https://a@b:c@host/x.png", "https://host/x.png"),
            ("https://host/x?token=t&w=1&X-Amz-Signature=s", "https://host/x?token=***&w=1&X-Amz-Signature=***"),
            ("https://host/x?access_token=t&sig=s&API-Key=k", "https://host/x?access_token=***&sig=***&API-Key=***"),
            ("https://user:secret@[bad/x.png", "https://[bad/x.png"),
        ],
    )
    def test_no_secret_is_left(self, text: str, shown: str) -> None:
        assert public_url(text) == shown
        assert public_url(shown) == shown


class TestUrls:
    def test_fetched_once_and_then_offline(self, site: Site, cache: Path) -> None:
        url = site.serve("/x", PNG)
        first = resolve_image("adapters.depth.image", url)
        site.stop()
        again = resolve_image("adapters.depth.image", url)
        assert first == again
        assert (first.source, first.revision, first.single) == (url, None, True)
        assert first.path.read_bytes() == PNG
        assert first.root == cache
        assert first.files == (hashlib.sha256(url.encode()).hexdigest() + ".png",)
        assert len(site.asked) == 1
        assert site.asked[0][1]["User-Agent"].startswith("tcdflow/")
        assert (cache / first.files[0]).with_suffix(".url").read_text() == url + "\n"

    @pytest.mark.parametrize(
        ("kind", "suffix"),
        [
            ("PNG", ".png"),
            ("JPEG", ".jpg"),
            ("MPO", ".jpg"),
            ("WEBP", ".webp"),
            ("BMP", ".bmp"),
            ("GIF", ".gif"),
            ("TIFF", ".tif"),
        ],
    )
    def test_named_after_the_format_and_not_the_url(self, site: Site, kind: str, suffix: str) -> None:
        found = resolve_image("task.image", site.serve("/x.exe", encoded(kind)))
        assert found.path.suffix == suffix
        assert check_image(found.path) == (12, 9)

    def test_each_query_is_its_own_image(self, site: Site) -> None:
        url = site.serve("/x.png", PNG)
        assert resolve_image("a", f"{url}?key=1").path != resolve_image("a", f"{url}?key=2").path
        assert resolve_image("a", f"{url}#one").path == resolve_image("a", f"{url}#two").path

    def test_spaces_and_umlauts(self, site: Site) -> None:
        site.serve("/an%20image%20%C3%A4.png", PNG)
        assert resolve_image("task.image", f"{site.url}/an image ä.png").path.read_bytes() == PNG

    def test_a_redirect(self, site: Site) -> None:
        site.serve("/there.png", PNG)
        url = site.serve("/here.png", b"", 302, Location="/there.png")
        assert resolve_image("task.image", url).path.read_bytes() == PNG

    def test_a_damaged_cache_is_mended(self, site: Site) -> None:
        url = site.serve("/x.png", PNG)
        found = resolve_image("task.image", url)
        found.path.write_bytes(b"")
        assert resolve_image("task.image", url).path.read_bytes() == PNG

    def test_an_answer_without_a_length(self, site: Site) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(PNG)

        assert resolve_image("task.image", site.act("/x.png", answer)).path.read_bytes() == PNG

    @pytest.mark.parametrize(
        ("status", "what"),
        [(404, "404 Not Found"), (403, "403 Forbidden"), (500, "500 Internal Server Error"), (599, "answered 599")],
    )
    def test_a_status(self, site: Site, cache: Path, status: int, what: str) -> None:
        assert what in complaint(site.serve("/x.png", PNG, status))
        assert kept(cache) == []

    @pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x.png", "data:image/png,x"])
    def test_a_redirect_elsewhere(self, site: Site, to: str) -> None:
        message = complaint(site.serve("/x.png", b"", 302, Location=to))
        assert "redirects to" in message or "failed" in message
        assert "passwd" not in message

    def test_a_circle_of_redirects(self, site: Site) -> None:
        assert "redirects more than 5 times" in complaint(site.serve("/x.png", b"", 302, Location="/x.png"))

    def test_wrong_bytes(self, site: Site, cache: Path) -> None:
        url = site.serve("/x.png", b"<!doctype html><title>Sign in</title>")
        assert complaint(url) == f"'{url}': is not an image in a known format ({KNOWN}); it looks like HTML"
        assert kept(cache) == []

    def test_a_server_that_hangs(self, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images, "SILENCE", 0.2)
        released = threading.Event()

        def wait(request: BaseHTTPRequestHandler) -> None:
            released.wait(5)

        url = site.act("/x.png", wait)
        assert "did not answer within 0.2 s" in complaint(url)
        released.set()
        assert kept(cache) == []

    def test_a_server_that_drips(self, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images, "DEADLINE", 0.3)

        def drip(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            for byte in PNG:
                request.wfile.write(bytes([byte]))
                time.sleep(0.02)

        assert "not complete after 0.3 s" in complaint(site.act("/x.png", drip))
        assert kept(cache) == []

    def test_too_large_by_its_header(self, site: Site, cache: Path) -> None:
        url = site.serve("/x.png", PNG, **{"Content-Length": str(64 * 2**20 + 1)})
        assert "larger than 64 MiB" in complaint(url)
        assert kept(cache) == []

    def test_too_large_by_its_body(self, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images, "MAX_BYTES", 2**20)
        sent = 0

        def flood(request: BaseHTTPRequestHandler) -> None:
            nonlocal sent
            request.send_response(200)
            request.end_headers()
            while sent < 64 * 2**20:
                sent += request.wfile.write(bytes(2**16))

        assert "larger than 1 MiB" in complaint(site.act("/x.png", flood))
        assert sent < 64 * 2**20
        assert kept(cache) == []

    @pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
    def test_a_connection_cut_half_way(self, site: Site, cache: Path, told: bool) -> None:
        def cut(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            if told:
                request.send_header("Content-Length", str(len(PNG)))
            request.end_headers()
            request.wfile.write(PNG[: len(PNG) // 2])

        complaint(site.act("/x.png", cut))
        assert kept(cache) == []

    def test_a_host_out_of_reach(self, cache: Path) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.png"
            assert "cannot be reached" in complaint(url)
        assert kept(cache) == []

    @pytest.mark.parametrize("url", ["http://", "http:///x.png", "http://[bad/x.png", "http://h:port/x", "http://h\0/"])
    def test_what_is_no_url(self, url: str) -> None:
        complaint(url)

    def test_a_cache_that_cannot_be_written(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file")
        assert "TCDFLOW_CACHE" in complaint(site.serve("/x.png", PNG))

    def test_two_at_once(self, site: Site, cache: Path) -> None:
        both = threading.Barrier(2, timeout=10)

        def answer(request: BaseHTTPRequestHandler) -> None:
            both.wait()
            request.send_response(200)
            request.send_header("Content-Length", str(len(PNG)))
            request.end_headers()
            request.wfile.write(PNG)

        url = site.act("/x.png", answer)
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda _: resolve_image("task.image", url), range(2))
        assert first == second
        assert first.path.read_bytes() == PNG
        assert kept(cache) == [first.files[0]]

    def test_the_proxy_of_the_environment(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy is asked for the whole URL; nobody knows the host but it."""
        monkeypatch.setenv("http_proxy", site.url)
        site.serve("http://images.invalid/x.png", PNG)
        assert resolve_image("task.image", "http://images.invalid/x.png").path.read_bytes() == PNG

    @pytest.mark.parametrize("proxy", ["gopher://secret@x", "http://user:secret@127.0.0.1:9"])
    def test_a_proxy_that_does_not_work(self, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
        monkeypatch.setenv("http_proxy", proxy)
        assert "secret" not in complaint("http://images.invalid/x.png")


class TestSecrets:
    def test_they_are_sent_and_never_written(
        self, site: Site, tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        site.serve("/there.png", PNG)
        site.serve("/x.png", b"", 302, Location="/there.png?signature=hush3")
        url = site.url.replace("//", "//someone:hush1@") + "/x.png?token=hush2&w=1"
        found = resolve_image("task.image", url)
        assert "hush2" in site.asked[0][0]
        assert site.asked[0][1]["Authorization"].startswith("Basic ")
        assert found.source == f"{site.url}/x.png?token=***&w=1"
        assert found.path.with_suffix(".url").read_text() == f"{site.url}/x.png?token=***&w=1\n"
        assert "hush" not in caplog.text
        for path in tmp_path.rglob("*"):
            assert "hush" not in str(path)
            assert path.is_dir() or b"hush" not in path.read_bytes()
        assert resolve_image("task.image", url.replace("someone:hush1@", "")).path == found.path

    def test_nor_in_a_message(self, site: Site) -> None:
        url = site.serve("/x.png", b"", 404).replace("//", "//someone:hush@") + "?api_key=hush"
        assert complaint(url) == f"'{site.url}/x.png?api_key=***': the server answered 404 Not Found"

    def test_another_host_does_not_get_the_password(self, site: Site) -> None:
        site.serve("/there.png", PNG)
        elsewhere = site.url.replace("127.0.0.1", "localhost")
        url = site.serve("/x.png", b"", 302, Location=f"{elsewhere}/there.png")
        resolve_image("task.image", url.replace("//", "//someone:hush@"))
        assert "Authorization" in site.asked[0][1]
        assert "Authorization" not in site.asked[1][1]
