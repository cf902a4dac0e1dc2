"""What a source text means.

================================================  =========================================================
``embedded:emoji``, ``embedded:emoji/tcd_lora``   a model that ships with tcdflow
``./folder``, ``/abs/file.safetensors``, ``~/x``  a folder in diffusers layout, or one file
``file:///abs/file.safetensors``                  the same
``owner/name``                                    a hub repository, at its main branch
``owner/name@revision``                           at a branch, tag or commit (``@refs/pr/7`` too)
``owner/name/folder/weights.safetensors``         a folder or file in it
``owner/name@revision/weights.safetensors``       both
``https://huggingface.co/owner/name/blob/main/x`` the address of a page or file of the hub
================================================  =========================================================

An existing relative path wins over a hub repository of the same name, as in diffusers.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from tcdflow.errors import SourceError
from tcdflow.files.addresses import hub_id, is_address
from tcdflow.spec.paths import is_there, looked_in

_HUB = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?:@(?P<revision>refs/[\w-]+/[\w.-]+|[\w.-]+))?"
    r"(?:/(?P<inside>[^@]+))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
# What the hub's own client refuses in a repository's name beyond the pattern above.
_NO_REPO = re.compile(r"--|\.\.|[.-](?:/|$)|\.git$")


@dataclass(frozen=True)
class Source:
    """A parsed source text.

    Attributes:
        text: as it was written.
        kind: where the bytes are.
        location: hub repository, local path, or name of the embedded model.
        revision: branch, tag or commit of a hub repository; None is its main branch.
        inside: folder or file within a repository or embedded model; "" is the whole.
    """

    text: str
    kind: Literal["embedded", "path", "hub"]
    location: str
    revision: str | None = None
    inside: str = ""


def parse(text: str) -> Source:
    """Parse a source text.

    Raises:
        SourceError: if it has none of the forms above, is a missing path, or leaves its repository by ``..``. As with
            every error of this package, the message does not repeat the source: whoever knows its key names both.
    """
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise SourceError("a source may hold no control characters")
    if not text.strip():
        raise SourceError("a source must not be empty")  # the path "" is the working directory
    if text.startswith("embedded:"):
        name, _, inside = text.removeprefix("embedded:").partition("/")
        return Source(text, "embedded", name, inside=_inside(inside))
    if text.startswith("file:"):
        return _path(text, _path_of_url(text))
    if text.startswith(("/", "./", "../", "~")) or text in (".", "..") or is_there(Path(text)):
        return _path(text, text)
    if match := _HUB.fullmatch(hub_id(text) if is_address(text) else text):
        repo, revision = match["repo"], match["revision"]
        if _NO_REPO.search(repo):
            raise SourceError("no hub repository has '--', '..', or '.git', '.' or '-' at an end, in its name")
        if revision and (".." in revision or revision.startswith("-") or revision.endswith(".")):
            raise SourceError(f"'{revision}' can be no branch, tag or commit")
        return Source(text, "hub", repo, revision, _inside(match["inside"] or ""))
    if is_address(text):
        raise SourceError("is not the address of a model, its folder or its file on the hub")
    raise SourceError(
        f"there is no such file or folder{looked_in(text)}, and it is not a hub id of the form "
        "owner/name[@revision][/path]"
    )


def folder_in(text: str, name: str) -> str:
    """Return the source text of a folder within what another text names.

    Raises:
        SourceError: as of :func:`parse`.
    """
    source = parse(text)
    if source.kind != "hub":
        return f"{text.rstrip('/')}/{name}"
    at = f"@{source.revision}" if source.revision else ""
    return "/".join(filter(None, (f"{source.location}{at}", source.inside, name)))


def at_commit(text: str, commit: str) -> str | None:
    """Return the text of a hub source pinned to a commit, or None if it is not a hub source in form.

    Whether a local path of that name exists does not matter: who knows the commit knows that it came from the hub.
    """
    try:
        match = _HUB.fullmatch(hub_id(text) if is_address(text) else text)
    except SourceError:
        return None
    if match is None or not _COMMIT.fullmatch(commit):
        return None
    return f"{match['repo']}@{commit}" + (f"/{match['inside']}" if match["inside"] else "")


def _path_of_url(text: str) -> str:
    try:
        url = urlsplit(text)
        path = unquote(url.path, errors="strict")
    except ValueError:
        raise SourceError("is not a valid file: URL") from None
    if url.netloc not in ("", "localhost") or not path.startswith("/"):
        raise SourceError("a file: URL names an absolute path on this machine: file:///folder/file.safetensors")
    return path


def _path(text: str, path: str) -> Source:
    try:
        resolved = Path(path).expanduser().resolve(strict=True)
    except FileNotFoundError:
        raise SourceError(f"there is no such file or folder{looked_in(text)}") from None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~nobody, or a ring of symlinks
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot be opened as a file or folder: {reason}") from None
    return Source(text, "path", str(resolved))


def _inside(inside: str) -> str:
    inside = inside.removesuffix("/")
    if inside and (any(part in ("", ".", "..") for part in inside.split("/")) or "\\" in inside):
        raise SourceError("a path inside a repository has plain names between single slashes, and may not leave it")
    return inside
