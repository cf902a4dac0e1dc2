"""``run.json``: spec, execution and outputs of a run. The contract of schema version 1.

Records may be untrusted: they are validated as data, and nothing in them is executed or resolved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tcdflow.errors import RecordError
from tcdflow.files.lock import LockedFile
from tcdflow.record.atomic import write_bytes
from tcdflow.record.data import read_model
from tcdflow.text import about

SCHEMA_VERSION: Literal[1] = 1
FILE_NAME = "run.json"
PLAN = "plan.json"
MAX_BYTES = 16_000_000

Status = Literal["running", "done", "failed", "interrupted"]
Kind = Literal["run", "sweep", "distillation"]
_SWEEPS = (PLAN, "multirun.yaml")
"""What tcdflow leaves of a sweep, or Hydra where it drives one."""


# A count of so many kinds of letters in the pattern itself, {0,127}, takes 70 ms to compile.
FileName = Annotated[str, Field(pattern=r"^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.=+-]*$", max_length=128)]


class Output(BaseModel):
    """One image or animation.

    Attributes:
        file: its name in the run directory.
        sha256: of the file.
        pixel_sha256: of the RGB bytes that the file decodes to, row by row and frame by frame.
        width: in pixels, as written.
        height: in pixels, as written.
        seed: of its noise.
        frames: that an animation's file stores; None for an image. Equal neighbours are one frame, shown longer.
        sidecar: file with its recipe, where the format or its limits keep that out of the image.
    """

    model_config = ConfigDict(extra="forbid")

    file: FileName
    sha256: str
    pixel_sha256: str
    width: int
    height: int
    seed: int
    frames: int | None = None
    sidecar: FileName | None = None


class InputImage(BaseModel):
    """An image that the run was given, as it was used: sized, and preprocessed for an adapter."""

    model_config = ConfigDict(extra="forbid")

    name: str
    file: str = Field(pattern=r"^(inputs/)?[A-Za-z][A-Za-z0-9_-]{0,100}\.png$")
    sha256: str
    pixel_sha256: str
    width: int
    height: int


class Sheet(BaseModel):
    """The labelled contact sheet."""

    model_config = ConfigDict(extra="forbid")

    file: FileName
    sha256: str


class Failure(BaseModel):
    """Why a run is not done: the kind of error and its message, never a traceback."""

    model_config = ConfigDict(extra="forbid")

    type: str
    message: str


class Record(BaseModel):
    """The content of ``run.json``.

    Attributes:
        derived_from: key of the run that this one was made from again; where it is its own too, nothing was changed.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    key: str | None = None
    derived_from: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    status: Status = "running"
    started: str
    finished: str | None = None
    overrides: list[str] = Field(default_factory=list)
    choices: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    spec: dict[str, Any]
    lock: list[LockedFile] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    execution: dict[str, Any] = Field(default_factory=dict)
    inputs: list[InputImage] = Field(default_factory=list)
    outputs: list[Output] = Field(default_factory=list)
    grid: Sheet | None = None
    error: Failure | None = None

    def write(self, directory: Path) -> None:
        """Write ``run.json`` atomically. That a run has begun is not worth waiting for the disk."""
        write_bytes(directory / FILE_NAME, self.encoded(), durable=self.status != "running")

    def encoded(self) -> bytes:
        """Return the content of ``run.json``."""
        # Twenty times as fast as Python's json where it indents.
        return self.model_dump_json(indent=2).encode() + b"\n"


def read(directory: Path) -> Record:
    """Read the record of a run directory.

    Raises:
        RecordError: if there is none, or it is damaged or of a later schema.
    """
    return read_file(directory / FILE_NAME)


def read_file(path: Path) -> Record:
    """Read a record by its own path.

    Raises:
        RecordError: as :func:`read`.
    """
    try:
        return read_model(path, Record, most=MAX_BYTES, what=f"record of schema {SCHEMA_VERSION}")
    except RecordError:
        if path.name == FILE_NAME and is_distillation(path.parent):
            what = "is of a distillation; tcdflow resume goes on with it"
            raise RecordError(about(path, what)) from None
        raise


def kind_of(directory: Path) -> Kind | None:
    """Say what was made in a directory. There is room for one: what reads it would not see another beside it."""
    if any((directory / name).is_file() for name in _SWEEPS):
        return "sweep"
    if not (directory / FILE_NAME).is_file():
        return None
    return "distillation" if is_distillation(directory) else "run"


def is_distillation(directory: Path) -> bool:
    """Say whether the record of a directory is that of a distillation, whatever its state; no run's is."""
    path = directory / FILE_NAME
    try:
        plain = json.loads(path.read_bytes()) if path.is_file() and path.stat().st_size <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and plain.get("kind") == "distillation"
