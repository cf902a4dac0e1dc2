"""Safetensors of the same content as the same bytes: the library writes metadata in an order that differs each time."""

from __future__ import annotations

import json


def canonical(data: bytes) -> bytes:
    """Return a safetensors file with its metadata in the order of their names.

    Args:
        data: of a whole file.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = dict(sorted(header.pop("__metadata__", {}).items()))
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]
