"""HDR images, which Pillow decodes without their transfer curve: PNG (cICP) and AVIF (colr, nclx) say which it is."""

from __future__ import annotations

from pathlib import Path

_CURVES = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 that are HDR's."""

_LOOKED_AT = 65_536
"""Bytes of a file in which its header lies."""


def transfer(path: Path, kind: str) -> str | None:
    """Return the HDR curve that an image is encoded with, or None if its header names none.

    Args:
        path: of the file.
        kind: its format, by Pillow's name.
    """
    mark, offset = {"PNG": (b"cICP", 5), "AVIF": (b"colrnclx", 10)}.get(kind, (b"", 0))
    if not mark:
        return None
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    at = start.find(mark)
    if at < 0 or at + offset + 1 > len(start):
        return None
    place = at + offset
    code = start[place] if kind == "PNG" else int.from_bytes(start[place : place + 2], "big")
    return _CURVES.get(code)
