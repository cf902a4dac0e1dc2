"""A lock file: the files of a config, each source at its commit and each file with its hash, kept beside the config.

``tcdflow lock`` writes it, ``lock=FILE`` holds runs to it. It may be untrusted and is validated as data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tcdflow._version import __version__
from tcdflow.errors import ConfigError, OutputError, Problem, RecordError
from tcdflow.files.lock import LockedFile
from tcdflow.files.pins import FREE, Pins
from tcdflow.files.scratch import scratch
from tcdflow.record.atomic import write_text
from tcdflow.record.data import read_model
from tcdflow.spec.paths import at_home

SCHEMA_VERSION: Literal[1] = 1
MAX_BYTES = 64_000_000


class LockFile(BaseModel):
    """The content of a lock file, in the order of roles and names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    tcdflow: str = __version__
    files: tuple[LockedFile, ...]


def read(path: Path) -> LockFile:
    """Read a lock file.

    Raises:
        RecordError: if there is none, or it is damaged.
    """
    hint = "; tcdflow lock writes one"
    return read_model(path, LockFile, most=MAX_BYTES, what=f"lock file of schema {SCHEMA_VERSION}", hint=hint)


def write(path: Path, files: Iterable[LockedFile]) -> None:
    """Write a lock file atomically; the same files give the same bytes.

    What a killed process has left beside it goes, too.

    Raises:
        OutputError: if it cannot be written.
    """
    ordered = sorted(files, key=lambda file: (file.role, file.source, file.file))
    text = json.dumps(LockFile(files=tuple(ordered)).model_dump(mode="json"), indent=1, ensure_ascii=False)
    try:
        with scratch(path.absolute().parent) as folder:
            write_text(folder / path.name, text + "\n")
            (folder / path.name).replace(path)
    except OSError as error:
        raise OutputError.of(path, error) from error


def pins(path: str | None) -> Pins:
    """Return what a lock file pins; without one nothing is.

    Raises:
        ConfigError: if it cannot be read.
    """
    if path is None:
        return FREE
    try:
        files = read(at_home(path)).files
    except RecordError as error:
        raise ConfigError([Problem("lock", str(error))]) from None
    return Pins(files, path, f"is not in {path}; tcdflow lock with the same overrides adds it")
