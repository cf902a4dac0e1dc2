"""What validations leave in the directory of a distillation, and what is read of it: images and their numbers.

``validation/00000500/`` has the images after 500 steps, ``validation/teacher/`` those of the teacher, each with a
``validation.json`` and a ``sheet.webp`` of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tcdflow.record.data import read_model
from tcdflow.record.document import Output

FOLDER, TEACHER = "validation", "teacher"
FILE_NAME = "validation.json"
SHEET = "sheet.webp"
MAX_BYTES = 16_000_000
_STEP = re.compile(r"\d{8}", re.ASCII)


class ValidatedImage(BaseModel):
    """One image.

    Attributes:
        prompt: of it.
        steps: of the sampling; None for the teacher's.
        output: its file.
        distance: root mean square difference from the teacher's, of channels from 0 to 1; None for the teacher's.
        sharpness: of it.
    """

    model_config = ConfigDict(extra="forbid")

    prompt: str
    steps: int | None
    output: Output
    distance: float | None
    sharpness: float


class ValidationRecord(BaseModel):
    """The content of ``validation.json``.

    Attributes:
        step: steps of the training that were done; None for the teacher.
        targets: hash of what it was measured against.
        loss: mean of the latest losses; None for the teacher.
        images: all of them.
    """

    model_config = ConfigDict(extra="forbid")

    step: int | None
    targets: str
    loss: float | None
    images: list[ValidatedImage] = Field(max_length=20_000)


def read(directory: Path) -> Iterator[tuple[Path, ValidationRecord]]:
    """Yield the validations of a distillation, the teacher's images first, each with its folder.

    Raises:
        RecordError: if one is damaged.
    """
    folder = directory / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir() if _STEP.fullmatch(path.name))
    for name in (TEACHER, *names):
        place = folder / name
        if not place.is_symlink() and (place / FILE_NAME).is_file():
            yield place, read_model(place / FILE_NAME, ValidationRecord, most=MAX_BYTES, what="validation")
