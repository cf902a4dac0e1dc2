"""Writes what a validation leaves: images, a sheet, their numbers, and the best LoRA by these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.distill.validate import Drawn, Validated, Validator
from tcdflow.distill.validation_record import FILE_NAME, FOLDER, SHEET, TEACHER, ValidatedImage, ValidationRecord
from tcdflow.record.atomic import write_text
from tcdflow.record.cleanup import own_folder
from tcdflow.record.grid import sheet
from tcdflow.record.images import save_image
from tcdflow.record.sample import Sample
from tcdflow.spec.data import Example
from tcdflow.spec.output import OutputSpec
from tcdflow.text import counted, shortened

BEST = "best"
_BEST_FILE = "validation.json"
_SMALL = 256
"""Pixels a side up to which images are written without loss."""


def write_teacher(directory: Path, validator: Validator) -> None:
    """Write what the teacher draws.

    Raises:
        OutputError: if it cannot be written.
    """
    folder = own_folder(own_folder(directory / FOLDER) / TEACHER)
    images = _saved(folder, validator.examples, None, validator.teacher)
    _write(folder, ValidationRecord(step=None, targets=validator.sha256, loss=None, images=images))


def write(directory: Path, validator: Validator, found: Validated, loss: float) -> Path:
    """Write the images of a validation, a sheet that has the teacher's beside them, and the numbers last.

    Args:
        directory: of the distillation.
        validator: that made it.
        found: what it made.
        loss: mean of the latest losses.

    Returns:
        The path of the sheet.

    Raises:
        OutputError: if they cannot be written.
    """
    folder = own_folder(own_folder(directory / FOLDER) / f"{found.step:08d}")
    images = [
        image for steps, drawn in found.drawn.items() for image in _saved(folder, validator.examples, steps, drawn)
    ]
    small = max(validator.teacher.images[0].size) <= _SMALL
    place = folder / SHEET
    page = _sheet(validator, found)
    save_image(Sample((page,), 0), folder, place.stem, OutputSpec(format="webp", quality=100 if small else 90), None)
    _write(folder, ValidationRecord(step=found.step, targets=validator.sha256, loss=loss, images=images))
    return place


def best(directory: Path, targets: str) -> dict[str, Any] | None:
    """Return step and distance of the best LoRA that was kept; None if there is none against these targets."""
    with suppress(OSError, ValueError):
        found = json.loads((directory / BEST / _BEST_FILE).read_text("utf-8"))
        if isinstance(found, dict) and found.get("targets") == targets and isinstance(found.get("distance"), float):
            return {"step": found["step"], "distance": found["distance"]}
    return None


def write_best(directory: Path, found: Validated, targets: str) -> None:
    """Write down which LoRA the folder of the best holds.

    Raises:
        OutputError: if it cannot be written.
    """
    content: Mapping[str, Any] = {
        "step": found.step,
        "distance": found.distance,
        "distances": found.distances,
        "targets": targets,
    }
    write_text(own_folder(directory / BEST) / _BEST_FILE, json.dumps(content, indent=1) + "\n")


def _saved(folder: Path, examples: Sequence[Example], steps: int | None, drawn: Drawn) -> list[ValidatedImage]:
    found = []
    output = OutputSpec(format="png") if max(drawn.images[0].size) <= _SMALL else OutputSpec(format="webp", quality=90)
    for number, example in enumerate(examples):
        stem = f"{number:03d}" if steps is None else f"{number:03d}-{steps}"
        saved = save_image(Sample((drawn.images[number],), example.seed), folder, stem, output, None)
        found.append(
            ValidatedImage(
                prompt=example.caption,
                steps=steps,
                output=saved,
                distance=None if steps is None else round(drawn.distances[number], 6),
                sharpness=round(drawn.sharpness[number], 4),
            )
        )
    return found


def _sheet(validator: Validator, found: Validated) -> Image.Image:
    """Return a row for each prompt: the teacher's image, then one for each number of steps."""
    tiles = []
    for number, example in enumerate(validator.examples):
        tiles.append((shortened(example.caption, 80), validator.teacher.images[number]))
        tiles += [
            (f"{counted(steps, 'step')}, {drawn.distances[number]:.3f}", drawn.images[number])
            for steps, drawn in found.drawn.items()
        ]
    return sheet(tiles, columns=1 + len(found.drawn))


def _write(folder: Path, record: ValidationRecord) -> None:
    write_text(folder / FILE_NAME, record.model_dump_json(indent=1) + "\n", durable=False)
