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


def is_there(path: Path) -> bool:
    """Say whether a path that anybody may have written leads to something."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, a folder that may not be searched; a null byte
        return False


def looked_in(text: str) -> str:
    """Return where a relative path was looked for, as the end of a sentence; nothing of an absolute one."""
    path = Path(text)
    if path.is_absolute() or text.startswith(("~", "file:")):
        return ""
    with suppress(OSError):  # it is gone
        return f" in {Path.cwd()}"
    return ""
