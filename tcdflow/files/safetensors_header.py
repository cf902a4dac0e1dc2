"""The header of a safetensors file, read without torch: damage is found in milliseconds, before anything is loaded.

The format: 8 bytes with the header's length as a little-endian integer, the header as JSON, and the tensors' bytes,
which the header's offsets cover without a gap. See the "Format" section of the safetensors project's README.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tcdflow.errors import SourceError
from tcdflow.files.stamp import Stamp

MAX_HEADER = 16 * 2**20
"""Bytes of the longest header that is parsed; that of SDXL as one file has a third of a million."""

_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8}
_BITS |= {"I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32}
_BITS |= {"I64": 64, "U64": 64, "F64": 64, "C64": 64}


class Header(NamedTuple):
    """What a header says of its file.

    Attributes:
        shapes: of the tensors, by name, in the header's order.
        metadata: texts by name, as whoever wrote the file chose them.
        dtypes: of the tensors, by name, such as ``F16``.
        damage: what is wrong with the bytes that follow it; None if nothing is.
    """

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    dtypes: dict[str, str]
    damage: str | None = None

    @property
    def numbers(self) -> int:
        """How many numbers the tensors hold."""
        return sum(map(math.prod, self.shapes.values()))


class Span(NamedTuple):
    """Where a tensor lies in its file.

    Attributes:
        start: of its bytes, counted from the file's beginning.
        shape: of the tensor.
        dtype: such as ``F16``.
    """

    start: int
    shape: tuple[int, ...]
    dtype: str


def spans(path: Path) -> list[Span]:
    """Return where the tensors of a file lie.

    Raises:
        SourceError: if its header is damaged.
        OSError: if it cannot be read.
    """
    header, left = _read(path)
    first = path.stat().st_size - left
    found = ((start, header[name]) for name, start, _ in _tensors(header))
    return [Span(first + start, tuple(entry["shape"]), str(entry["dtype"])) for start, entry in found]


def read_header(path: Path) -> Header:
    """Read the header of a file; that of the same file is read once.

    Raises:
        SourceError: if it is damaged.
        OSError: if the file cannot be read.
    """
    stamp = Stamp.of(path)
    return (_header if stamp.settled else _header.__wrapped__)(path, stamp)


@lru_cache(maxsize=64)
def _header(path: Path, stamp: Stamp) -> Header:
    header, left = _read(path)
    spans = [(start, stop, name) for name, start, stop in _tensors(header)]
    shapes = {name: tuple(header[name]["shape"]) for _, _, name in spans}
    dtypes = {name: str(header[name]["dtype"]) for name in shapes}
    return Header(shapes, header.get("__metadata__", {}), dtypes, _damage(spans, left))


def check_header(path: Path) -> None:
    """Check that a file is whole: its header parses and its tensors fill the rest of it exactly.

    The values of the tensors are not looked at; the lock's hash is what notices another byte there.

    Raises:
        SourceError: saying what is wrong with the file.
        OSError: if it cannot be read.
    """
    if damage := read_header(path).damage:
        raise SourceError(damage)


def _damage(spans: Iterable[tuple[int, int, str]], left: int) -> str | None:
    """Say what is wrong with a file whose tensors have these places, of which so many bytes are there."""
    end = 0
    for start, stop, name in sorted(spans):
        if start != end:
            return f"is damaged: the bytes of {name[:100]!r} do not follow those before"
        end = stop
    if end > left:
        return f"is cut short: {end - left:,} of its bytes are missing; download or copy it again"
    if end < left:
        return f"is damaged: it holds {left - end:,} bytes that belong to no tensor"
    return None


def _read(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header, and how many bytes follow it."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if length > min(MAX_HEADER, size - 8) or length < 2:
            raise SourceError(_what_it_is(start, size, length))
        text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise SourceError("is damaged: its header is not JSON") from None
    if not isinstance(header, dict):
        raise SourceError("is damaged: its header is not a mapping")
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise SourceError("is damaged: its metadata is not a mapping of texts")
    return header, size - 8 - length


def _tensors(header: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        match entry:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(start), int(stop)]} if (
                0 <= start <= stop and len(shape) <= 16 and all(type(n) is int and 0 <= n < 2**63 for n in shape)
            ):
                bits = _BITS.get(dtype)
                if bits is not None and math.prod(shape) * bits != (stop - start) * 8:
                    raise SourceError(f"is damaged: {name[:100]!r} has another size than its shape and dtype say")
                yield name, start, stop
            case _:
                raise SourceError(f"is damaged: its header does not describe {name[:100]!r}")


def _what_it_is(start: bytes, size: int, length: int) -> str:
    """Say what a file is that has no safetensors header."""
    if not size:
        return "is empty; download or copy it again"
    if start == b"version ":
        return "is a Git LFS pointer in place of the weights; run `git lfs pull` where it was cloned"
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04")):
        return "is a pickle under another name, which can run code; safetensors are needed"
    if start.lstrip()[:1] in (b"<", b"{"):
        return "is not a safetensors file but text, perhaps the error page of a download"
    if size >= 8 and 2 <= length <= MAX_HEADER:
        return "is cut short within its header; download or copy it again"
    return "is not a safetensors file, or damaged at its start"
