"""What a killed process of the hub's client has left half downloaded: the client never finds it again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tcdflow.files.exclusive import BusyError, lock
from tcdflow.libraries.huggingface_hub import half_files


def remove_incomplete(cache: Path) -> None:
    """Remove the half files of a repository that nobody downloads: whoever does holds the client's lock of its hash.

    Args:
        cache: folder of the repository in the client's cache.
    """
    for half, held in half_files(cache):
        with suppress(OSError, BusyError):
            handle = os.open(held, os.O_RDWR)
            try:
                if lock(handle):
                    half.unlink()
            finally:
                os.close(handle)
