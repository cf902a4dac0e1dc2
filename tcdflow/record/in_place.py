"""Files that are written where they are, such as logs: only those that the directory has to itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tcdflow.errors import OutputError
from tcdflow.record.cleanup import remove_link

_TRIES = 5


def open_in_place(path: Path, flags: int) -> int:
    """Open a file to write in place, making it if it is not there.

    Whoever prepared the directory must not choose what is written to: a symbolic link, a pipe, or a file that has
    another name elsewhere (a hard link) is removed here, and stays as it was there.

    Args:
        path: of the file, in a directory that exists.
        flags: such as ``os.O_RDWR``.

    Returns:
        A handle, which the caller closes.

    Raises:
        OutputError: if it cannot be opened.
    """
    for _ in range(_TRIES):  # somebody may put something else there meanwhile
        remove_link(path)
        try:
            handle = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OutputError.of(path, error) from error
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return handle
        os.close(handle)
        if found.st_nlink != 0:  # else it was removed meanwhile, and what is there now is another
            path.unlink(missing_ok=True)
    raise OutputError(f"{path}: cannot be written: something else is put in its place again and again")
