"""Detects that a file has changed, without reading it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

_TICK_NS = 20_000_000
"""The coarsest clock that Linux stamps files with ticks every 10 ms."""


class Stamp(NamedTuple):
    """What changes when a file is rewritten.

    The change time is among it since a modification time can be set back, as unpacking an archive does.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: str | Path) -> Stamp:
        """Return the stamp of a file.

        Raises:
            OSError: if there is none.
        """
        return cls._of(os.stat(path))  # noqa: PTH116  for each file of each cell of a sweep

    @classmethod
    def of_open(cls, handle: int) -> Stamp:
        """Return the stamp of an open file, whatever its name leads to by now.

        Raises:
            OSError: if it is not open.
        """
        return cls._of(os.fstat(handle))

    @classmethod
    def _of(cls, stat: os.stat_result) -> Stamp:
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)

    @property
    def settled(self) -> bool:
        """Whether a later write would show: two within a tick of the clock look like one."""
        return not 0 <= time.time_ns() - self.ctime_ns < _TICK_NS

    def __str__(self) -> str:
        return "-".join(map(str, self))
