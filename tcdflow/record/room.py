"""Room on the disk that is taken before it is needed: so that a run's end is recorded on a full disk, too."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tcdflow.errors import NoRoomError, OutputError
from tcdflow.record.atomic import partial_name, write_bytes

_SIZE = 65_536
"""Bytes that a record may have: that of SDXL with a dozen adapters has a third of it."""


class Room:
    """Room for one file. It has no name until it is used, so that a killed process leaves nothing of it.

    Where the system knows no files without a name there is no room, and :meth:`write` writes as
    :func:`~tcdflow.record.atomic.write_bytes` does.

    Args:
        path: a file; the room is on its disk.

    Raises:
        NoRoomError: if there is none on the disk.
    """

    def __init__(self, path: Path) -> None:
        self._handle: int | None = None
        try:
            self._handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
            os.posix_fallocate(self._handle, 0, _SIZE)
        except AttributeError:  # of os, on another system than Linux
            pass
        except OSError as error:
            self.close()
            failed = OutputError.of(path, error)
            if isinstance(failed, NoRoomError):
                raise failed from error

    @property
    def is_there(self) -> bool:
        """Whether it was neither used nor given back."""
        return self._handle is not None

    def write(self, path: Path, data: bytes) -> None:
        """Write a file durably, on the same disk. Only where there is no room elsewhere this one is used.

        Raises:
            OutputError: if that is not enough.
        """
        try:
            write_bytes(path, data)
        except OutputError:
            if not self.is_there:
                raise
            if len(data) > _SIZE or not self._use(path, data):
                self.close()
                write_bytes(path, data)

    def _use(self, path: Path, data: bytes) -> bool:
        handle, self._handle = self._handle, None
        assert handle is not None
        partial = path.with_name(partial_name())
        directory = None
        try:
            with os.fdopen(handle, "wb") as file:
                directory = os.open(path.parent, os.O_RDONLY)
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(handle)
                # Python follows the link in /proc only where it is given a directory.
                os.link(f"/proc/self/fd/{handle}", partial.name, dst_dir_fd=directory, follow_symlinks=True)
            partial.replace(path)
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
            if directory is not None:
                os.close(directory)
        return True

    def close(self) -> None:
        """Give it back."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


class Rooms:
    """Rooms for one file each: a run that has not used its own leaves it to the next one on the same disk."""

    def __init__(self) -> None:
        self._free: list[Room] = []

    def take(self, path: Path) -> Room:
        """Return room for a file.

        Raises:
            NoRoomError: if there is none.
        """
        return self._free.pop() if self._free else Room(path)

    def put_back(self, room: Room) -> None:
        """Leave a room to others."""
        if room.is_there:
            self._free.append(room)

    def close(self) -> None:
        """Give back those that nobody has."""
        while self._free:
            self._free.pop().close()
