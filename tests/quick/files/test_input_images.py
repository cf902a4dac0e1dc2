"""Where input images come from: paths, file URLs, and a server on the loopback that does all that servers do."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tcdflow.errors import SourceError
from tcdflow.files import images
from tcdflow.files.image_header import check_image
from tcdflow.files.images import public_url, resolve_image
from tcdflow.spec.formats import all_formats
from tcdflow.text import any_of

ORIENTATION = 0x0112


def encoded(kind: str = "PNG", size: tuple[int, int] = (12, 9), orientation: int | None = None) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    Image.effect_noise(size, 90).convert("RGB").save(buffer, kind, exif=exif)
    return buffer.getvalue()


PNG = encoded(size=(60, 40))
KNOWN = any_of(["BMP", "TIFF", *(format.label for format in all_formats() if format.pillow)])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no proxy between the tests and their server."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


def complaint(text: str) -> str:
    with pytest.raises(SourceError) as caught:
        resolve_image("task.image", text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def kept(folder: Path) -> list[str]:
    """Return the names in the cache, without the records."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".url") if folder.is_dir() else []


class TestPaths:
    def test_a_path(self, tmp_path: Path) -> None:
        (tmp_path / "in.png").write_bytes(PNG)
        text = str(tmp_path / "in.png")
        found = resolve_image("task.image", text)
        assert (found.role, found.source, found.revision, found.files) == ("task.image", text, None, ("in.png",))
        assert found.single
        assert found.path == (tmp_path / "in.png").resolve()

    def test_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "in.png").write_bytes(PNG)
        monkeypatch.chdir(tmp_path)
        found = resolve_image("task.image", "in.png")
        assert found.source == "in.png"
        assert found.path.is_absolute()

    def test_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "in.png").write_bytes(PNG)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert resolve_image("task.image", "~/in.png").path.read_bytes() == PNG

    @pytest.mark.parametrize("host", ["", "localhost"])
    def test_a_file_url(self, tmp_path: Path, host: str) -> None:
        (tmp_path / "an image é.png").write_bytes(PNG)
        url = (tmp_path / "an image é.png").as_uri().replace("file://", f"file://{host}")
        assert resolve_image("task.image", url).path == (tmp_path / "an image é.png").resolve()

    def test_a_name_that_looks_like_a_url(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "data:1.png").write_bytes(PNG)
        monkeypatch.chdir(tmp_path)
        assert resolve_image("task.image", "data:1.png").files == ("data:1.png",)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("no/such/image.png", "there is no such file"),
            ("~nobody-has-this-home/x.png", "there is no such file"),
            ("a\0b", "there is no such file"),
            ("x" * 4000, "cannot be read"),
            (".", "is a folder; an image is needed, or with -m all that are in it: glob(FOLDER)"),
            ("photos/*.png", "there is no such file; a pattern is for sweeps: -m 'KEY=glob(PATTERN)'"),
            ("glob(photos)", "a pattern is for sweeps"),
            ("file:///no/such.png", "there is no such file"),
            ("file://elsewhere/x.png", "a file: URL names a file of this machine"),
            ("ftp://host/x.png", "ftp: is not supported"),
            ("S3://bucket/x.png", "s3: is not supported"),
            ("data:image/png;base64,iVBORw0KGgo=", "data: is not supported"),
            ("no/such\x1b[31m.png", "there is no such file"),
        ],
    )
    def test_what_is_no_image_of_ours(self, text: str, what: str) -> None:
        message = complaint(text)
        assert what in message
        assert len(message) < 500

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "not a regular file" in complaint(str(tmp_path / "pipe"))

    @pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read everything")
    def test_a_closed_file(self, tmp_path: Path) -> None:
        (tmp_path / "in.png").write_bytes(PNG)
        (tmp_path / "in.png").chmod(0)
        assert "Permission denied" in complaint(str(tmp_path / "in.png"))


class TestCheck:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_size_is_that_of_the_loaded_image(self, tmp_path: Path, kind: str, orientation: int) -> None:
        from tcdflow.inputs.decode import decode

        (tmp_path / "in").write_bytes(encoded(kind, orientation=orientation))
        size = check_image(tmp_path / "in")
        assert size == decode(tmp_path / "in").image.size == ((12, 9) if orientation < 5 else (9, 12))

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
    def test_an_orientation_in_xmp(self, tmp_path: Path, kind: str) -> None:
        from tcdflow.inputs.decode import decode

        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options: dict[str, dict[str, Any]] = {"PNG": {"pnginfo": info}, "TIFF": {"tiffinfo": {700: xmp}}}
        Image.new("RGB", (12, 9)).save(tmp_path / "in", kind, **options.get(kind, {"xmp": xmp}))
        assert check_image(tmp_path / "in") == decode(tmp_path / "in").image.size == (9, 12)

    @pytest.mark.parametrize("kind", ["BMP", "GIF", "MPO"])
    def test_formats_without_orientation(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "in").write_bytes(encoded(kind))
        assert check_image(tmp_path / "in") == (12, 9)

    def test_pixels_are_not_decoded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def decode(*_: object) -> None:
            raise AssertionError("decoded")

        for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
            (tmp_path / kind).write_bytes(encoded(kind))
            with monkeypatch.context() as patch:
                patch.setattr("PIL.ImageFile.ImageFile.load", decode)
                assert check_image(tmp_path / kind) == (12, 9)

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "is empty"),
            (b"hello", f"is not an image in a known format ({KNOWN})"),
            (b"\n <!DOCTYPE html><html>", "it looks like HTML"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it looks like SVG"),
            (b"%PDF-1.7", "it looks like PDF"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it looks like PostScript"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
            (b"8BPS\0\1\0\0", "it looks like PSD; export it as PNG"),
            (b"gimp xcf v011", "it looks like XCF; export it as PNG"),
            (b"v/1\1\2\0\0\0", "it looks like OpenEXR"),
            (b"#?RADIANCE\n", "it looks like Radiance HDR"),
            (b"\xff\n\0\0", "it looks like JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "it looks like JPEG XL"),
            (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "it looks like HEIC"),
            (PNG[:20], "Truncated"),
            (encoded("JPEG")[:30], "Truncated"),
            (encoded("JPEG")[:2], "begins like JPEG but cannot be read"),
            (b"\x89PNG" + PNG[5:], "begins like PNG but cannot be read"),
        ],
    )
    def test_says_what_the_bytes_are_not(self, tmp_path: Path, content: bytes, what: str) -> None:
        (tmp_path / "in.png").write_bytes(content)
        assert what in complaint(str(tmp_path / "in.png"))

    @pytest.mark.parametrize("size", [(8193, 8192), (9500, 9500), (30000, 30000), (1, 2**31 - 1)])
    def test_a_bomb(self, tmp_path: Path, recwarn: pytest.WarningsRecorder, size: tuple[int, int]) -> None:
        small = io.BytesIO()
        Image.new("1", (1, 1)).save(small, "BMP")
        header = bytearray(small.getvalue())
        header[18:26] = size[0].to_bytes(4, "little") + size[1].to_bytes(4, "little")
        (tmp_path / "bomb.bmp").write_bytes(header)
        assert "64 megapixels" in complaint(str(tmp_path / "bomb.bmp"))
        assert not recwarn.list

    def test_the_largest_side_of_a_run_is_allowed(self, tmp_path: Path) -> None:
        Image.new("1", (8192, 8192)).save(tmp_path / "large.png")
        assert check_image(tmp_path / "large.png") == (8192, 8192)


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


@dataclass
class Site:
    """A server on the loopback; ``answers`` holds what it does for each path."""

    url: str
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    def serve(self, path: str, body: bytes, status: int = 200, /, **headers: str) -> str:
        """Answer with a body and its length; returns the URL."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(body)

        return self.act(path, answer)

    def act(self, path: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        self.answers[path] = answer
        return self.url + path


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            with suppress(ConnectionError):
                made.answers[path](self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stopped = threading.Event()

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            server.shutdown()
            thread.join()
            server.socket.close()

    made = Site(f"http://127.0.0.1:{server.server_port}", stop=stop)
    yield made
    stop()


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


def test_neither_torch_nor_a_client_is_imported_for_a_path() -> None:
    import subprocess
    import sys

    code = "import sys, tcdflow.files.images; print({'torch', 'httpx2', 'numpy', 'cv2'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
