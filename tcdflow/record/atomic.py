"""Files that are whole or not there: written beside their place, flushed, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tcdflow.errors import OutputError


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
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable and _flusher is None:
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        if durable and _flusher is not None:
            _flusher.put(path)
    except BaseException as error:  # an interrupt too leaves nothing half written behind
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


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
                self._failed = self._failed or OutputError(f"{path}: cannot be written: {error.strerror or error}")


_flusher: _Flusher | None = None
_MOST_BEHIND = 256


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
