"""Where an input image comes from: a path, a ``file:`` URL, or an http(s) URL that is fetched once.

What is fetched is kept in ``pictures/`` of tcdflow's cache as ``<SHA-256 of the URL>.<format>``, beside a ``.url``
file that tells a person where it came from; from then on the network is not asked, so that a run repeats offline and
with the same bytes. Delete the file to have it fetched again. Of an animated or many-page image the first frame
is taken.

No user name, password or token of a URL is written anywhere: :func:`public_url` is what may be shown and recorded.
A user name and password do not tell cached images apart, tokens in the query do.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from PIL import Image

from tcdflow.errors import NotHereError, SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.hashes import cache_dir
from tcdflow.files.image_header import image_problem as _problem
from tcdflow.files.image_header import input_formats, measure, reading, suffixes
from tcdflow.files.network import Reach
from tcdflow.files.scratch import scratch
from tcdflow.spec.paths import is_there, looked_in
from tcdflow.text import SECRET

MAX_BYTES = 64 * 2**20  # of a download
SILENCE = 20.0  # seconds until a server has answered, and between any two pieces of its answer
DEADLINE = 300.0  # seconds for a whole download


def resolve_image(role: str, text: str, reach: Reach = "any") -> Artifact:
    """Find an input image, fetching it if it is a URL that was not fetched before.

    Args:
        role: what it is in the run, e.g. ``task.image``.
        text: path (relative to the working directory, ``~`` allowed), ``file:`` URL, or http(s) URL.
            Proxies are taken from the environment; a redirect may lead to http(s) only.
        reach: how far the request for a URL may go.

    Returns:
        One file; its source is the text, with what is secret in a URL left out.

    Raises:
        NotHereError: if it would have to be fetched, and may not be.
        SourceError: in one line, if it cannot be read or is not an image; an image's pixels are decoded here only
            when it is fetched, so that a partial one is never kept.
    """
    path = (_cached(text) or _fetched(text, reach)) if is_url(text) else _local(text)
    return Artifact(role, public_url(text), None, path.parent, (path.name,), True)


def public_url(text: str) -> str:
    """Return a source text as it may be shown and recorded.

    A path or ``file:`` URL is returned as it is. An http(s) URL loses user name, password and fragment, and the
    values of query parameters that sound like a secret (``token``, ``X-Amz-Signature``, …) become ``***``.
    """
    if not is_url(text):
        return text
    address, _, query = _bare_url(text).partition("?")
    parts = [part if not SECRET.search(part.partition("=")[0]) else _masked(part) for part in query.split("&")]
    return f"{address}?{'&'.join(parts)}" if query else address


def is_url(text: str) -> bool:
    """Say whether a source text is an http(s) URL."""
    return text.lower().startswith(("http://", "https://"))


def _local(text: str) -> Path:
    path = _path(text)
    try:
        path = path.expanduser().resolve()
        if path.is_dir():
            raise _problem(text, "is a folder; an image is needed, or with -m all that are in it: glob(FOLDER)")
        if not path.exists():
            hint = "; a pattern is for sweeps: -m 'KEY=glob(PATTERN)'" if re.search(r"[*?]|^glob\(", text) else ""
            raise _problem(text, f"there is no such file{looked_in(text)}{hint}")
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
    if is_there(Path(text)) or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        return Path(text)
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise _problem(text, "a file: URL names a file of this machine: file:///folder/image.png")
        return Path(unquote(parts.path))
    if "://" in text or scheme == "data":
        raise _problem(text, f"{scheme}: is not supported; a path, a file: URL or an http(s) URL is needed")
    return Path(text)


def _cached(text: str) -> Path | None:
    """Return the image of a URL that was fetched before."""
    folder, stem = _place(text)
    for suffix in suffixes().values():
        path = folder / f"{stem}{suffix}"
        try:
            if path.is_file():
                measure(path, public_url(text))
                return path
        except (SourceError, OSError):
            return None  # it was whole when it was put there: what damaged it is mended by fetching it again
    return None


def _place(text: str) -> tuple[Path, str]:
    """Return the folder of the image of a URL, and its name there without the suffix."""
    return cache_dir() / "pictures", hashlib.sha256(_bare_url(text).encode("utf-8", "surrogateescape")).hexdigest()


def _fetched(text: str, reach: Reach) -> Path:
    from tcdflow.files.web import Limits, download

    shown = public_url(text)
    folder, stem = _place(text)
    _refuse(shown, reach)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch(cache_dir()) as beside:
            partial = beside / "image"
            with partial.open("wb") as file:
                try:
                    download(text, file, Limits(SILENCE, DEADLINE, MAX_BYTES), private=reach == "any")
                except SourceError as error:
                    raise _problem(shown, str(error)) from None
            kind, _ = measure(partial, shown)
            with reading(partial, shown), Image.open(partial, formats=input_formats()) as image:
                image.load()  # not every protocol tells that an answer ended too early
            address = beside / "url"
            address.write_text(shown + "\n", "utf-8", "surrogateescape")
            address.replace(folder / f"{stem}.url")
            return partial.replace(folder / (stem + suffixes()[kind]))
    except OSError as error:
        what = f"cannot be kept in {folder} ({error.strerror or error}); TCDFLOW_CACHE names another cache"
        raise _problem(shown, what) from None


def _refuse(shown: str, reach: Reach) -> None:
    """Refuse a request that nobody at the command line wants."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        what = "was not fetched before, and HF_HUB_OFFLINE is set: unset it to download"
    elif reach == "nothing":
        what = "was not fetched before; an address that only a file names is asked with --fetch alone"
    else:
        return
    raise NotHereError(str(_problem(shown, what)))


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
