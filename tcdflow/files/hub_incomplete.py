"""What a killed process of the hub's client has left half downloaded: the client never finds it again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tcdflow.files.exclusive import BusyError, lock


def remove_incomplete(cache: Path) -> None:
    """Remove the half files of a repository that nobody downloads: whoever does holds the client's lock of its hash.

    Args:
        cache: folder of the repository in the client's cache.
    """
    for half in (cache / "blobs").glob("*.incomplete"):
        with suppress(OSError, BusyError):
            handle = os.open(cache.parent / ".locks" / cache.name / f"{half.name.partition('.')[0]}.lock", os.O_RDWR)
            try:
                if lock(handle):
                    half.unlink()
            finally:
                os.close(handle)
