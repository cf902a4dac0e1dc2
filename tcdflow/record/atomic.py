"""Files that are whole or not there: written beside their place, flushed, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from tcdflow.errors import OutputError
from tcdflow.files.exclusive import BusyError, lock

PARTIAL = ".partial-"
"""What the names of files begin with that are not whole yet."""


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that no reader, and no crash, ever sees part of it under its name.

    Args:
        path: the file.
        data: its content.
        durable: have it on the disk before it gets its name, which takes milliseconds. Without that the death of a
            process still leaves the whole file or none, and a power cut may leave an empty one.

    Raises:
        OutputError: if the disk is full or the directory cannot be written.
    """
    for tries in range(_TRIES, 0, -1):
        try:
            _write(path, data, durable and _flusher is None)
        except FileNotFoundError as error:  # whoever tidies up was faster than its lock; or the directory has gone
            if tries == 1:
                raise OutputError.of(path, error) from error
        except OSError as error:
            raise OutputError.of(path, error) from error
        else:
            break
    if durable and _flusher is not None:
        _flusher.put(path)


def _write(path: Path, data: bytes, flush: bool) -> None:
    temporary = path.with_name(partial_name())  # known before it is there: an interrupt leaves nothing behind
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as file:
            with contextlib.suppress(BusyError):
                lock(handle)  # which tells it from one that a killed process has left
            file.write(data)
            if flush:
                file.flush()
                os.fsync(handle)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def remove_abandoned(directory: Path) -> None:
    """Remove what killed processes have left half written in a directory that several may write in at once."""
    with contextlib.suppress(OSError):
        for path in directory.glob(f"{PARTIAL}*"):
            with contextlib.suppress(OSError, BusyError):
                handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
                try:
                    if stat.S_ISREG(os.fstat(handle).st_mode) and lock(handle):
                        path.unlink()
                finally:
                    os.close(handle)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write UTF-8 text atomically; see :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


@contextlib.contextmanager
def flushed_behind() -> Iterator[None]:
    """Leave it to a thread to have files on the disk, and wait for it at the end.

    Waiting takes as long as much of a small model's own work. Meanwhile the death of the process still leaves whole
    files only; a power cut can leave the latest empty under their names, which reading them back by hash finds out.

    Raises:
        OutputError: at the end, if a file did not reach the disk.
    """
    global _flusher  # of the process, as the disk is
    if _flusher is not None:
        yield
        return
    _flusher = _Flusher()
    try:
        yield
    finally:
        flusher, _flusher = _flusher, None
        failed = flusher.close()
    if failed:
        raise failed


class _Flusher:
    """A thread that has files on the disk in the order in which they were written."""

    def __init__(self) -> None:
        self._paths: queue.Queue[Path | None] = queue.Queue(_MOST_BEHIND)
        self._failed: OutputError | None = None
        self._thread = threading.Thread(target=self._work, name="flush", daemon=True)
        self._thread.start()

    def put(self, path: Path) -> None:
        """Take a file; waits where the disk is too far behind."""
        self._paths.put(path)

    def close(self) -> OutputError | None:
        """Wait for all and return what failed first."""
        self._paths.put(None)
        self._thread.join()
        return self._failed

    def _work(self) -> None:
        while path := self._paths.get():
            try:
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            except FileNotFoundError:
                continue  # replaced or removed since
            except OSError as error:
                self._failed = self._failed or OutputError.of(path, error)
            except MemoryError:  # without this thread, whoever puts would wait for ever
                self._failed = self._failed or OutputError(f"{path}: no memory was left to have it on the disk")


_flusher: _Flusher | None = None
_MOST_BEHIND = 256
_TRIES = 3


def partial_name() -> str:
    """Return a new name for a file that is not whole yet."""
    return f"{PARTIAL}{secrets.token_hex(8)}"
