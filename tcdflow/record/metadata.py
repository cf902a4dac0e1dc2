"""Reads back the recipe that an image carries. Strangers' files are data: bounded, parsed by hand, never rendered."""

from __future__ import annotations

import base64
import os
import re
import stat
import zlib
from pathlib import Path
from struct import unpack
from typing import Any, BinaryIO

from tcdflow.errors import RecordError
from tcdflow.record.embed import CHUNK
from tcdflow.record.recipe import MAX_BYTES, parse
from tcdflow.text import about

_MAX_PARTS = 65_536
"""Chunks or segments that are looked through."""

_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_RECIPE = re.compile(rb"\btcdflow:recipe(?:=[\"']|>)([A-Za-z0-9+/=\s]+)")
"""As an attribute, as it is written, or as an element, as tools leave it that write a packet anew."""


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the recipe of an image or animation: its own metadata, else the ``.json`` beside it.

    Args:
        path: a PNG, JPEG, WebP, GIF or MP4 file, or a sidecar itself.

    Returns:
        Plain data with ``schema_version`` (1), ``tcdflow`` (the version that wrote it), ``seed``, ``spec`` and
        ``lock`` (a list of mappings). The spec is not yet checked to be one.

    Raises:
        RecordError: if there is none or it is damaged, whatever the bytes; one line.
    """
    try:
        with _opened(path) as file:
            found = file.read(MAX_BYTES + 1) if path.suffix.lower() == ".json" else _embedded(file)
        if found is None:
            sidecar = path.with_suffix(".json")
            if not sidecar.exists():
                raise ValueError(
                    "carries no recipe: written with output.metadata=none, by another tool, or stripped on its way"
                )
            path = sidecar
            with _opened(sidecar) as file:
                found = file.read(MAX_BYTES + 1)
        return parse(found)
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise _error(path, str(error)) from None


def _error(path: Path, what: str) -> RecordError:
    return RecordError(about(path, what))


def _opened(path: Path) -> BinaryIO:
    # Not to wait for the other end of a pipe that somebody named like an image.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("is not a file")
    return os.fdopen(handle, "rb")


def _embedded(file: BinaryIO) -> bytes | None:
    magic = file.read(16)
    if magic.startswith(b"\x89PNG\r\n\x1a\n"):
        file.seek(8)
        return _from_png(file)
    if magic.startswith(b"\xff\xd8\xff"):
        file.seek(2)
        return _from_jpeg(file)
    if magic[:4] == b"RIFF" and magic[8:12] == b"WEBP":
        file.seek(12)
        return _from_webp(file)
    if magic[:4] == b"GIF8" or magic[4:8] == b"ftyp":
        return None
    raise ValueError("is no PNG, JPEG, WebP, GIF or MP4 file")


def _from_png(file: BinaryIO) -> bytes | None:
    for _ in range(_MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return None
        length, kind = unpack(">I4s", head)
        if kind == b"IEND":
            return None
        if kind != b"iTXt" or length > MAX_BYTES:
            file.seek(length + 4, os.SEEK_CUR)
            continue
        body, check = file.read(length), file.read(4)
        keyword, _, rest = body.partition(b"\0")
        if keyword != CHUNK.encode():
            continue
        if check != zlib.crc32(kind + body).to_bytes(4, "big"):
            raise ValueError("its tcdflow chunk is damaged: the checksum does not match")
        texts = rest[2:].split(b"\0", 2)
        if len(texts) < 3 or rest[0] > 1 or rest[1] != 0:
            raise ValueError("its tcdflow chunk is malformed")
        return _inflated(texts[2]) if rest[0] else texts[2]
    return None


def _from_jpeg(file: BinaryIO) -> bytes | None:
    for _ in range(_MAX_PARTS):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):  # end, or the image itself
            return None
        if marker[1] == 0xFF:  # a fill byte
            file.seek(-1, os.SEEK_CUR)
            continue
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:  # markers that stand alone
            continue
        body = file.read(max(int.from_bytes(file.read(2), "big") - 2, 0))
        if marker[1] == 0xE1 and body.startswith(_XMP_IN_JPEG):
            found = _from_xmp(body)
            if found is not None:
                return found
    return None


def _from_webp(file: BinaryIO) -> bytes | None:
    for _ in range(_MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return None
        kind, length = unpack("<4sI", head)
        if kind == b"XMP " and length <= 2 * MAX_BYTES:
            return _from_xmp(file.read(length))
        file.seek(length + length % 2, os.SEEK_CUR)
    return None


def _from_xmp(packet: bytes) -> bytes | None:
    # A pattern and no XML parser: there is one word of base64 to find, and no entity to expand.
    found = _XMP_RECIPE.search(packet)
    return _inflated(base64.b64decode(found[1])) if found else None


def _inflated(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"its recipe is damaged: {error}") from None
    if len(text) <= MAX_BYTES and not unpacker.eof:
        raise ValueError("its recipe is cut short")
    return text
