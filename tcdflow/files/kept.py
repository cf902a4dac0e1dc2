"""Input images of a recorded run, found by their hash: in its directory, or among what was fetched or found before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tcdflow.files.hashes import cache_dir, sha256_file
from tcdflow.files.lock import LockedFile
from tcdflow.files.scratch import scratch

_MOST_FILES = 1000
_MOST_BYTES = 64 * 2**20


def kept(file: LockedFile, directory: Path | None) -> Path | None:
    """Return a file of the cache with the bytes and name of a locked one, wherever they were found; None if nowhere.

    The cache keeps it under its hash, so that nothing of an untrusted directory is ever taken for another file.

    Args:
        file: of the lock, which may be untrusted.
        directory: of the recorded run, if there is one.
    """
    if file.size > _MOST_BYTES or not file.file or Path(file.file).name != file.file or file.file.startswith("."):
        return None
    place = cache_dir() / "inputs" / file.sha256 / file.file
    with suppress(OSError, ValueError):
        if place.is_file() and sha256_file(place) == file.sha256:
            return place
        folders = [cache_dir() / "pictures", *([directory, directory / "inputs"] if directory else [])]
        for path in _of_size(file.size, folders):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == file.sha256:
                return _keep(data, place)
    return None


def _of_size(size: int, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield files that can be it; links are not followed."""
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for _, entry in zip(range(_MOST_FILES), entries, strict=False):
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size == size:
                    yield Path(entry.path)


def _keep(data: bytes, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    with scratch(cache_dir()) as folder:
        whole = folder / "whole"
        whole.write_bytes(data)
        return whole.replace(place)
