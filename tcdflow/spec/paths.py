"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path


def at_home(text: str) -> Path:
    """Return a path with its ``~`` or ``~user`` replaced by that home; as a shell does, as it stands where none is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
