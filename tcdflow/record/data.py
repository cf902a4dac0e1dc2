"""Reading untrusted files: plain ones only; JSON of bounded size, validated whole, answered in one line."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, TypeGuard, TypeVar

from pydantic import BaseModel, ValidationError

from tcdflow.errors import RecordError
from tcdflow.spec.paths import is_there
from tcdflow.text import about

T = TypeVar("T", bound=BaseModel)
_HUGE = 1e300


def is_directory(path: Path) -> bool:
    """Say whether a path that anybody may have written leads to a directory."""
    return is_there(path) and path.is_dir()


def opened(path: Path) -> BinaryIO:
    """Open a file that may be untrusted for reading.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is not a regular file.
    """
    # Not to wait for the other end of a pipe that somebody named like an image.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("is not a file")
    return os.fdopen(handle, "rb")


def read_model(path: Path, model: type[T], *, most: int, what: str, hint: str = "") -> T:
    """Read a file as a model.

    Args:
        path: the file.
        model: what it should be.
        most: bytes that it may have.
        what: what it should be, in words.
        hint: added where there is no such file.

    Raises:
        RecordError: if it is missing, no plain file, too large, or something else.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would make us wait, a device never end
            raise RecordError(f"{path}: is not a file")
        if status.st_size > most:
            raise RecordError(f"{path}: larger than {most} bytes; no {what.split()[0]} is")
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}{hint}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise RecordError(about(path, f"is not a {what}: {where[:200]}: {first['msg']}")) from None


def is_number(value: object) -> TypeGuard[int | float]:
    """Say whether a value of a record is a number that can be added, rounded and written as JSON.

    Untrusted ones hold NaN, infinities, and integers that no float can be.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and -_HUGE < value < _HUGE
