"""Folders for files that are not whole yet: each is held by its process, and goes with it or by the next one's hand.

Where a directory is somebody's alone while he writes (a run's, a sweep's), what is half written there can be told by
its name. The cache and the system's directory of temporary files are everybody's: there a folder that nobody holds is
that of a process that was killed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tcdflow.files.exclusive import BusyError, lock

PREFIX = ".partial-tcdflow-"
_tidied: set[Path] = set()


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that is removed at the end, and first remove those of killed processes beside it.

    Args:
        parent: directory of the folder; None is the system's for temporary files.

    Raises:
        OSError: if it cannot be made.
    """
    where = (parent or Path(tempfile.gettempdir())).absolute()
    if where not in _tidied:
        _tidied.add(where)
        remove_abandoned(where)
    folder, handle = _held(where)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders there that nobody holds any more."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError, BusyError):
                    handle = _locked(Path(entry.path))
                    try:
                        if handle is not None:
                            shutil.rmtree(entry.path, ignore_errors=True)
                    finally:
                        if handle is not None:
                            os.close(handle)


def _held(parent: Path) -> tuple[Path, int | None]:
    """Make a folder and hold it; None for a handle where folders cannot be held, and so are never called abandoned."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
        try:
            return folder, _locked(folder)
        except (BusyError, FileNotFoundError):  # somebody has just taken it for abandoned
            continue


def _locked(folder: Path) -> int | None:
    """Return a handle of a folder that is locked and still there; None where that cannot be had.

    Raises:
        BusyError: if another process holds it.
        FileNotFoundError: if it was removed meanwhile.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except PermissionError:  # another user's; or Windows, which opens no folders
        return None
    try:
        if lock(handle) and os.path.samestat(folder.stat(), os.fstat(handle)):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
