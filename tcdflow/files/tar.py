"""Files within uncompressed tar files, read where they lie. An untrusted tar is data: nothing of it is unpacked."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from tcdflow.errors import SourceError
from tcdflow.spec.data import Member
from tcdflow.text import reason

_MOST_AT_ONCE = 64_000_000
"""Bytes that a header may have tarfile read into memory."""


def members(path: Path) -> Iterator[Member]:
    """Yield the regular files of a tar file, in their order; links, devices and sparse files are passed over.

    Raises:
        SourceError: if it is none, compressed, or cut short.
    """
    try:
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size
            with tarfile.open(fileobj=cast("Any", _Bounded(file)), mode="r:") as tar:
                for one in tar:
                    if one.isreg() and not one.issparse():
                        if one.offset_data + one.size > whole:
                            raise SourceError(f"is cut short within {reason(ValueError(one.name), 100)}")
                        yield Member(one.name, one.offset_data, one.size)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from None
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise SourceError(f"is no tar file, or compressed, or damaged: {reason(error, 100)}") from None


def read(path: Path, member: Member) -> bytes:
    """Return the bytes of a file within a tar file.

    Raises:
        SourceError: if they cannot be read any more.
    """
    try:
        with path.open("rb") as file:
            file.seek(member.start)
            data = file.read(member.size)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from None
    if len(data) != member.size:
        raise SourceError("was cut short meanwhile")
    return data


class _Bounded:
    """A file of which no more is read at once than a header of any dataset takes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.name = file.seek, file.tell, file.name

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError("a header is too large")
        return self._file.read(size)
