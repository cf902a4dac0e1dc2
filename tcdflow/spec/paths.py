"""Paths as people write them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def at_home(text: str) -> Path:
    """Return a path with its ``~`` or ``~user`` replaced by that home; as a shell does, as it stands where none is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def looked_in(text: str) -> str:
    """Return where a relative path was looked for, as the end of a sentence; nothing of an absolute one."""
    path = Path(text)
    if path.is_absolute() or text.startswith(("~", "file:")):
        return ""
    with suppress(OSError):  # it is gone
        return f" in {Path.cwd()}"
    return ""
