"""SHA-256 of files, computed once: a digest is remembered by path, size, modification time and inode."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, from the memory of earlier runs where the file is unchanged."""
    memory = _memory_of(path)
    stamp = _stamp(path)
    try:
        known, digest = memory.read_text("ascii").split()
        if known == stamp and len(digest) == 64:
            return digest
    except (OSError, ValueError):
        pass
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if _stamp(path) == stamp:
        _remember(memory, f"{stamp} {digest}")
    return digest


def cache_dir() -> Path:
    """Return the directory of what tcdflow remembers between runs (``$TCDFLOW_CACHE``, else the user's cache)."""
    if own := os.environ.get("TCDFLOW_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcdflow"


def _memory_of(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_dir() / "hashes" / name[:2] / name


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}-{stat.st_dev}"


def _remember(memory: Path, text: str) -> None:
    # Losing this memory costs time only, so a full or read-only disk is no reason to fail.
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=memory.parent)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        Path(name).replace(memory)
    except OSError:
        pass
