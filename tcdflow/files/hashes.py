"""SHA-256 of files, computed once: a digest is remembered by path, size, times and inode.

The path is the real one: the snapshots of a hub cache are links to the same blobs, which are hashed once for all.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from io import FileIO
from pathlib import Path

from tcdflow.files.scratch import scratch
from tcdflow.files.stamp import Stamp

_AT_ONCE = 16 << 20
"""Bytes of a file that are hashed at once."""
_LINE = re.compile(r"(?P<stamp>[0-9-]+) (?P<digest>[0-9a-f]{64}) (?P<check>[0-9a-f]{16})", re.ASCII)


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, from the memory of earlier runs where the file is unchanged.

    Raises:
        OSError: if the file cannot be read.
    """
    return hashed(path)[0]


def hashed(path: Path) -> tuple[str, Stamp]:
    """Return the hex SHA-256 of a file's bytes and the stamp of the file that they were read from.

    Its name may lead to another file before and after: what was opened is what is hashed and remembered.

    Raises:
        OSError: if the file cannot be read.
    """
    memory = _memory_of(path)
    stamp = Stamp.of(path)
    if known := _recall(memory, str(stamp)):
        return known, stamp
    with path.open("rb", buffering=0) as file:
        stamp = Stamp.of_open(file.fileno())
        settled = stamp.settled
        digest = sha256_of(file)
        unchanged = Stamp.of_open(file.fileno()) == stamp
    if settled and unchanged:
        _remember_digest(memory, stamp, digest)
    return digest, stamp


def sha256_of(file: FileIO) -> str:
    """Return the hex SHA-256 of an open file's bytes, which is not remembered.

    Between two parts a thread waits for the interpreter's lock, for milliseconds where another one imports: the parts
    of :func:`hashlib.file_digest` would take longer to wait for than to hash.
    """
    digest = hashlib.sha256()
    part = memoryview(bytearray(max(1, min(os.fstat(file.fileno()).st_size, _AT_ONCE))))
    while count := file.readinto(part):
        digest.update(part[:count])
    return digest.hexdigest()


def has_hash(path: Path, sha256: str) -> bool:
    """Say whether a path is a file, and no link, whose bytes have a hash; it is read each time."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def know(path: Path, digest: str) -> None:
    """Remember the digest of a file that was hashed under another name, and has been nobody else's since."""
    _remember_digest(_memory_of(path), Stamp.of(path), digest)


def cache_dir() -> Path:
    """Return the directory of what tcdflow remembers between runs (``$TCDFLOW_CACHE``, else the user's cache)."""
    if own := os.environ.get("TCDFLOW_CACHE"):
        return Path(own)
    if (xdg := os.environ.get("XDG_CACHE_HOME")) and Path(xdg).is_absolute():
        return Path(xdg) / "tcdflow"
    try:
        return Path.home() / ".cache" / "tcdflow"
    except RuntimeError:  # a container's user without a home
        return Path(tempfile.gettempdir()) / f"tcdflow-{os.getuid()}"


def _memory_of(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    return cache_dir() / "hashes" / name[:2] / name


def _remember_digest(memory: Path, stamp: Stamp, digest: str) -> None:
    remember(memory, f"{stamp} {digest} {_check(memory, str(stamp), digest)}")


def _check(memory: Path, stamp: str, digest: str) -> str:
    return hashlib.sha256(f"{memory.name} {stamp} {digest}".encode("ascii")).hexdigest()[:16]


def _recall(memory: Path, stamp: str) -> str | None:
    try:
        if not memory.is_file():  # a pipe would make us wait
            return None
        with memory.open("r", encoding="ascii") as file:
            line = _LINE.fullmatch(file.read(512))
    except (OSError, ValueError):
        return None
    if line and line["stamp"] == stamp and line["check"] == _check(memory, stamp, line["digest"]):
        return line["digest"]
    return None


def remember(memory: Path, content: str | bytes) -> None:
    """Write a file of tcdflow's cache. To lose it costs time only: a full or read-only disk is no reason to fail."""
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        with scratch(cache_dir()) as folder:
            whole = folder / "whole"
            whole.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
            whole.replace(memory)
