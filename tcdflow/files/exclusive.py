"""Exclusive locks on open files and directories. The system drops them when the process ends, however it does."""

from __future__ import annotations

from tcdflow.errors import TcdflowError


class BusyError(TcdflowError):
    """Another process holds the lock."""


def lock(handle: int) -> bool:
    """Lock an open file or directory, without waiting, until it is closed.

    Args:
        handle: of the file or directory.

    Returns:
        Whether it is locked: some file systems have no locks, and to refuse them would help nobody who runs one
        process.

    Raises:
        BusyError: if another process holds it.
    """
    from filelock import lock_descriptor  # 10 ms, which only what writes has to pay

    try:
        free = lock_descriptor(handle, blocking=False)
    except OSError:
        return False
    if not free:
        raise BusyError
    return True
