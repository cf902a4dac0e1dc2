"""The record of a distillation, ``run.json``: as a run's, with the data and the losses in place of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tcdflow.files.lock import LockedFile
from tcdflow.record.atomic import write_bytes
from tcdflow.record.data import read_model
from tcdflow.record.document import FILE_NAME, MAX_BYTES, Failure, Status

_WHAT = "record of a distillation"


class DataRecord(BaseModel):
    """The data that was trained on.

    Attributes:
        examples: how many.
        sha256: over captions, images and how they are encoded.
        encoded_sha256: over the encoded examples themselves.
    """

    model_config = ConfigDict(extra="forbid")

    examples: int
    sha256: str
    encoded_sha256: str | None = None


class ExportedFile(BaseModel):
    """A file of the LoRA, by its name in the directory."""

    model_config = ConfigDict(extra="forbid")

    file: str
    sha256: str


class DistillRecord(BaseModel):
    """The content of ``run.json``.

    Attributes:
        key: hash of all that decides the LoRA: settings, the teacher's files, data.
        shorter: its keys as it was before it was given more steps, whose checkpoints are its own.
        execution: steps done, losses, seconds by stage, memory, processes.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    kind: Literal["distillation"] = "distillation"
    key: str
    shorter: list[str] = Field(default_factory=list)
    status: Status = "running"
    started: str
    finished: str | None = None
    overrides: list[str] = Field(default_factory=list)
    choices: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    spec: dict[str, Any]
    lock: list[LockedFile] = Field(default_factory=list)
    data: DataRecord
    environment: dict[str, Any] = Field(default_factory=dict)
    execution: dict[str, Any] = Field(default_factory=dict)
    outputs: list[ExportedFile] = Field(default_factory=list)
    error: Failure | None = None

    def write(self, directory: Path) -> None:
        """Write ``run.json`` atomically."""
        text = self.model_dump_json(indent=2).encode() + b"\n"
        write_bytes(directory / FILE_NAME, text, durable=self.status != "running")


def read(directory: Path) -> DistillRecord:
    """Read the record of a distillation.

    Raises:
        RecordError: if there is none, or it is damaged or another's.
    """
    return read_model(directory / FILE_NAME, DistillRecord, most=MAX_BYTES, what=_WHAT)
