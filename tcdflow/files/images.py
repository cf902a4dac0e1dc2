"""Where an input image comes from: a path, a ``file:`` URL, or an http(s) URL that is fetched once.

What is fetched is kept in ``images/`` of tcdflow's cache as ``<SHA-256 of the URL>.<format>``, beside a ``.url``
file that tells a person where it came from; from then on the network is not asked, so that a run repeats offline and
with the same bytes. Delete the file to have it fetched again. Of an animated or many-page image the first frame
is taken.

No user name, password or token of a URL is written anywhere: :func:`public_url` is what may be shown and recorded.
A user name and password do not tell cached images apart, tokens in the query do.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import struct
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from PIL import ExifTags, Image, UnidentifiedImageError

from tcdflow._version import __version__
from tcdflow.errors import SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.hashes import cache_dir
from tcdflow.spec.formats import MAX_PIXELS, all_formats
from tcdflow.text import SECRET, any_of, printable, reason

_INPUT_ONLY = {"BMP": ".bmp", "TIFF": ".tif"}
"""Suffix by Pillow's name of what is read and not written."""

MAX_BYTES = 64 * 2**20  # of a download
SILENCE = 20.0  # seconds that a server may take to accept, and between any two pieces of its answer
DEADLINE = 300.0  # seconds for a whole download
_REDIRECTS = 5

_TIFF = (b"II*\0", b"MM\0*")
_LOOKALIKES = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"%pdf", "PDF"),
    (b"%!ps", "PostScript"),
    (b"{", "JSON"),
    (b"version https://git-lfs", "a Git LFS pointer: the image itself was not checked out"),
)
_warnings_lock = threading.Lock()  # the filters of warnings belong to the whole process


def input_formats() -> tuple[str, ...]:
    """Return Pillow's names of what is accepted: it also reads formats that start other programs (EPS)."""
    Image.preinit()  # of the usual formats; Pillow loads all its plug-ins at the first name beyond them
    return tuple(sorted(_suffixes(), key=lambda name: (name not in Image.OPEN, name)))


def resolve_image(role: str, text: str) -> Artifact:
    """Find an input image, fetching it if it is a URL that was not fetched before.

    Args:
        role: what it is in the run, e.g. ``task.image``.
        text: path (relative to the working directory, ``~`` allowed), ``file:`` URL, or http(s) URL.
            Proxies are taken from the environment; a redirect may lead to http(s) only.

    Returns:
        One file; its source is the text, with what is secret in a URL left out.

    Raises:
        SourceError: in one line, if it cannot be read or is not an image; an image's pixels are decoded here only
            when it is fetched, so that a partial one is never kept.
    """
    path = _fetched(text) if _is_url(text) else _local(text)
    return Artifact(role, public_url(text), None, path.parent, (path.name,), True)


def check_image(path: Path) -> tuple[int, int]:
    """Check from its header, without decoding, that a file is an image that tcdflow reads.

    Returns:
        Width and height in pixels, after the EXIF orientation is applied; of the first frame.

    Raises:
        SourceError: if it is missing, of another format than those that runs write (MP4 aside), BMP and TIFF, damaged,
            or larger than 64 megapixels (8192 × 8192).
    """
    return _measure(path, str(path))[1]


def public_url(text: str) -> str:
    """Return a source text as it may be shown and recorded.

    A path or ``file:`` URL is returned as it is. An http(s) URL loses user name, password and fragment, and the
    values of query parameters that sound like a secret (``token``, ``X-Amz-Signature``, …) become ``***``.
    """
    if not _is_url(text):
        return text
    address, _, query = _bare_url(text).partition("?")
    parts = [part if not SECRET.search(part.partition("=")[0]) else _masked(part) for part in query.split("&")]
    return f"{address}?{'&'.join(parts)}" if query else address


@contextmanager
def reading(path: Path, name: str | None = None) -> Iterator[None]:
    """Turn whatever a decoder raises into one line, and keep its warnings to itself.

    Args:
        path: the image that is decoded meanwhile.
        name: what the message calls it; None is its path.

    Raises:
        SourceError: naming the image.
    """
    name = name or str(path)
    try:
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except SourceError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _problem(name, "has more than 64 megapixels (8192 × 8192)") from None
    except UnidentifiedImageError:
        raise _problem(name, _what_it_is_not(path)) from None
    except OSError as error:
        raise _problem(name, f"cannot be read as an image: {error.strerror or reason(error)}") from None
    except Exception as error:  # untrusted bytes: decoders raise SyntaxError, struct.error, KeyError, …
        raise _problem(name, f"cannot be read as an image: damaged ({type(error).__name__}: {reason(error)})") from None


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _local(text: str) -> Path:
    path = _path(text)
    try:
        path = path.expanduser().resolve()
        if path.is_dir():
            raise _problem(text, "is a folder; an image is needed")
        if not path.exists():
            raise _problem(text, "there is no such file")
        if not path.is_file():
            raise _problem(text, "is not a regular file")
    except OSError as error:
        raise _problem(text, f"cannot be read: {error.strerror}") from None
    except (RuntimeError, ValueError):  # a home folder that nobody has; a null byte; a loop of links
        raise _problem(text, "there is no such file") from None
    _measure(path, text)
    return path


def _path(text: str) -> Path:
    scheme = text.partition(":")[0].lower()
    if _exists(Path(text)) or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        return Path(text)
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise _problem(text, "a file: URL names a file of this machine: file:///folder/image.png")
        return Path(unquote(parts.path))
    if "://" in text or scheme == "data":
        raise _problem(text, f"{scheme}: is not supported; a path, a file: URL or an http(s) URL is needed")
    return Path(text)


def _fetched(text: str) -> Path:
    url, shown = _bare_url(text), public_url(text)
    folder, stem = cache_dir() / "pictures", hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()
    suffixes = _suffixes()
    for suffix in suffixes.values():
        path = folder / f"{stem}{suffix}"
        try:
            if path.is_file():
                _measure(path, shown)
                return path
        except (SourceError, OSError):
            break  # it was whole when it was put there: what damaged it is mended by fetching it again
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".partial-")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                _download(text, shown, file)
            kind, _ = _measure(partial, shown)
            with reading(partial, shown), Image.open(partial, formats=input_formats()) as image:
                image.load()  # not every protocol tells that an answer ended too early
            (folder / f"{stem}.url").write_text(shown + "\n", "utf-8", "surrogateescape")
            return partial.replace(folder / (stem + suffixes[kind]))
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot be kept in {folder} ({error.strerror or error}); TCDFLOW_CACHE names another cache"
        raise _problem(shown, what) from None


def _download(url: str, shown: str, file: IO[bytes]) -> None:
    # httpx2, which huggingface_hub brings: unlike urllib it notices a short body, never leaves http(s) on a redirect,
    # keeps a password from other hosts and takes the addresses with spaces and umlauts that people paste.
    import httpx2

    deadline = time.monotonic() + DEADLINE
    headers = {"User-Agent": f"tcdflow/{__version__}", "Accept-Encoding": "identity"}
    try:
        client = httpx2.Client(headers=headers, follow_redirects=True, max_redirects=_REDIRECTS, timeout=SILENCE)
        with _unlogged(), client, client.stream("GET", url) as answer:
            if not answer.is_success:
                raise _problem(shown, f"the server answered {_status(answer.status_code)}")
            declared = answer.headers.get("Content-Length", "")
            got = int(declared) if declared.isdecimal() else 0
            if got <= MAX_BYTES:
                got = 0
                for chunk in answer.iter_bytes():
                    got += len(chunk)
                    if got > MAX_BYTES or time.monotonic() > deadline:
                        break
                    file.write(chunk)
            if got > MAX_BYTES:
                raise _problem(shown, f"is larger than {MAX_BYTES // 2**20} MiB")
            if time.monotonic() > deadline:
                raise _problem(shown, f"was not complete after {DEADLINE:g} s")
    except httpx2.TimeoutException:
        raise _problem(shown, f"the server did not answer within {SILENCE:g} s") from None
    except httpx2.TooManyRedirects:
        raise _problem(shown, f"redirects more than {_REDIRECTS} times") from None
    except httpx2.UnsupportedProtocol:
        raise _problem(shown, "is, or redirects to, no http(s) URL") from None
    except httpx2.ProxyError as error:
        raise _problem(shown, f"the proxy refused: {reason(error)}") from None
    except httpx2.ConnectError as error:
        raise _problem(shown, f"the host cannot be reached ({reason(error)})") from None
    except httpx2.TransportError as error:
        raise _problem(shown, f"the connection failed ({reason(error)})") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _problem(shown, f"cannot be fetched ({type(error).__name__})") from None
    except (ImportError, ValueError):  # of the client: a SOCKS proxy without its package, a proxy that is no URL
        raise _problem(
            shown, "is not a URL that can be fetched, or the environment's proxy setting cannot be used"
        ) from None


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


def _bare_url(url: str) -> str:
    """Drop the fragment, user name and password of a URL."""
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    except ValueError:  # brackets that hold no IPv6 address
        return re.sub(r"//[^/?#]*@", "//", url.partition("#")[0])


def _masked(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}{equals}***"


def _measure(path: Path, shown: str) -> tuple[str, tuple[int, int]]:
    """Return format and size, the orientation applied."""
    with reading(path, shown), Image.open(path, formats=input_formats()) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _problem(shown, f"has {width} × {height} pixels; 64 megapixels (8192 × 8192) are allowed")
        # PNG's own getexif decodes the pixels if there is no EXIF before them; so few files have it behind them that
        # they can pay for it, and no other.
        behind = image.format == "PNG" and _has_metadata_behind_pixels(path)
        exif = image.getexif() if behind else Image.Image.getexif(image)
        turned_already = ExifTags.Base.Orientation in getattr(image, "tag_v2", ())  # TIFF's size takes it in
        if exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8) and not turned_already:
            width, height = height, width
        # MPO is a JPEG with more images behind the first, as many cameras write it.
        return "JPEG" if image.format == "MPO" else image.format or "", (width, height)


def _suffixes() -> dict[str, str]:
    """Return the suffix of each accepted format, by Pillow's name."""
    return {format.pillow: format.suffix for format in all_formats() if format.pillow} | _INPUT_ONLY


def _has_metadata_behind_pixels(png: Path) -> bool:
    with png.open("rb") as file:
        file.seek(8)
        pixels = False
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if pixels and kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
                return True
            pixels = pixels or kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)
    return False


def _what_it_is_not(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "is empty"
    readable = [format for format in all_formats() if format.pillow]
    labels = [format.label for format in readable if format.claims(start)]
    if labels or start.startswith(_TIFF):
        return f"begins like {next(iter(labels), 'TIFF')} but cannot be read: damaged or cut short"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    like = [name for magic, name in _LOOKALIKES if text.startswith(magic)]
    if start[4:8] == b"ftyp":
        like = ["HEIC or a video"]
    known = any_of([*_INPUT_ONLY, *(format.label for format in readable)])
    return f"is not an image in a known format ({known})" + (f"; it looks like {like[0]}" if like else "")


def _problem(name: str, what: str) -> SourceError:
    return SourceError(printable(f"'{name if len(name) <= 300 else name[:297] + '...'}': {what}"))
