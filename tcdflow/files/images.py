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
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from PIL import Image

from tcdflow._version import __version__
from tcdflow.errors import SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.hashes import cache_dir
from tcdflow.files.image_header import image_problem as _problem
from tcdflow.files.image_header import input_formats, measure, reading, suffixes
from tcdflow.text import SECRET, reason

MAX_BYTES = 64 * 2**20  # of a download
SILENCE = 20.0  # seconds that a server may take to accept, and between any two pieces of its answer
DEADLINE = 300.0  # seconds for a whole download
_REDIRECTS = 5


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
            raise _problem(text, "is a folder; an image is needed, or with -m all that are in it: glob(FOLDER)")
        if not path.exists():
            hint = "; a pattern is for sweeps: -m 'KEY=glob(PATTERN)'" if re.search(r"[*?]|^glob\(", text) else ""
            raise _problem(text, f"there is no such file{hint}")
        if not path.is_file():
            raise _problem(text, "is not a regular file")
    except OSError as error:
        raise _problem(text, f"cannot be read: {error.strerror}") from None
    except (RuntimeError, ValueError):  # a home folder that nobody has; a null byte; a loop of links
        raise _problem(text, "there is no such file") from None
    measure(path, text)
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
    known = suffixes()
    for suffix in known.values():
        path = folder / f"{stem}{suffix}"
        try:
            if path.is_file():
                measure(path, shown)
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
            kind, _ = measure(partial, shown)
            with reading(partial, shown), Image.open(partial, formats=input_formats()) as image:
                image.load()  # not every protocol tells that an answer ended too early
            (folder / f"{stem}.url").write_text(shown + "\n", "utf-8", "surrogateescape")
            return partial.replace(folder / (stem + known[kind]))
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
