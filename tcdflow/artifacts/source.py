"""What a source text means.

================================================  =========================================================
``embedded:emoji``, ``embedded:emoji/tcd_lora``   a model that ships with tcdflow
``./folder``, ``/abs/file.safetensors``, ``~/x``  a folder in diffusers layout, or one file
``file:///abs/file.safetensors``                  the same
``owner/name``                                    a hub repository, at its main branch
``owner/name@revision``                           at a branch, tag or commit (``@refs/pr/7`` too)
``owner/name/folder/weights.safetensors``         a folder or file in it
``owner/name@revision/weights.safetensors``       both
================================================  =========================================================

An existing relative path wins over a hub repository of the same name, as in diffusers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from tcdflow.errors import SourceError

_HUB = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?:@(?P<revision>refs/[\w-]+/[\w.-]+|[\w.-]+))?"
    r"(?:/(?P<inside>[^\s@]+))?"
)
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")


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
        SourceError: if it is none of the forms above, is a missing path, or leaves its repository by ``..``.
    """
    if text.startswith("embedded:"):
        name, _, inside = text.removeprefix("embedded:").partition("/")
        return Source(text, "embedded", name, inside=_inside(inside, text))
    if text.startswith("file:"):
        return _path(text, Path(unquote(urlsplit(text).path)))
    path = Path(text).expanduser()
    if text.startswith(("/", "./", "../", "~")) or text in (".", "..") or path.exists():
        return _path(text, path)
    if match := _HUB.fullmatch(text):
        inside = _inside(match["inside"] or "", text)
        return Source(text, "hub", match["repo"], match["revision"], inside)
    raise SourceError(
        f"'{text}': there is no such file or folder, and it is no hub id of the form owner/name[@revision][/path]"
    )


def _path(text: str, path: Path) -> Source:
    if not path.exists():
        raise SourceError(f"'{text}': there is no such file or folder")
    return Source(text, "path", str(path.resolve()))


def _inside(inside: str, text: str) -> str:
    if inside and (inside.startswith("/") or ".." in inside.split("/") or "\\" in inside):
        raise SourceError(f"'{text}': a path inside a repository may not leave it")
    return inside.rstrip("/")
