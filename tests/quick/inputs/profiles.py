"""Colour profiles, written down by the ICC's specification (ICC.1:2001-04)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

SRGB = ((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410))
DISPLAY_P3 = ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407))
"""Red, green and blue as columns of XYZ under D50."""

GAMMA = 563 / 256
"""Of the profiles with a curve: 2.2, as their 8 bits behind the point have it."""


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _file(space: bytes, kind: bytes, connection: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(">I4sI", 128 + len(table) + len(body), b"", 0x02400000) + kind + space + connection
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + _fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


def _common(name: str) -> dict[bytes, bytes]:
    text = name.encode() + b"\0"
    return {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249),
    }


def rgb(matrix: Sequence[Sequence[float]]) -> bytes:
    """A profile of three colours and one curve."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(GAMMA * 256))
    colours = {
        name: b"XYZ \0\0\0\0" + _fixed(*(row[number] for row in matrix))
        for number, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _file(b"RGB ", b"mntr", b"XYZ ", _common("test") | colours | curves)


def grey() -> bytes:
    """A profile of a linear grey."""
    return _file(b"GRAY", b"mntr", b"XYZ ", _common("test") | {b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0)})


def cmyk() -> bytes:
    """A press whose black is black and whose other inks do nothing: eight bits of Lab by the four inks."""
    ramp = bytes(range(256))
    corners = b"".join(bytes((0 if corner & 1 else 255, 128, 128)) for corner in range(16))
    identity = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramp * 4 + corners + ramp * 3
    return _file(b"CMYK", b"prtr", b"Lab ", _common("test") | {b"A2B0": table})
