"""The validations of a distillation as runs: an image of each prompt by each number of sampling steps, as it trained.

The teacher's images stand beside each validation. The axes are ``distill.steps`` (those that were done), the number of
sampling steps and the prompt; distance, sharpness and loss are metrics, whose curves the page plots.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from tcdflow.distill import record as records
from tcdflow.distill import validation_record
from tcdflow.distill.validation_record import ValidatedImage, ValidationRecord
from tcdflow.errors import RecordError
from tcdflow.gallery import runs
from tcdflow.gallery.runs import Run
from tcdflow.record.settings import Settings, settings, sound
from tcdflow.text import first_line, shortened

STEP, DRAWN_IN = "distill.steps", "validation.steps"
_TEACHER = "teacher"


def read(directory: Path) -> Iterator[Run]:
    """Yield the images of a distillation's validations; why there are none, if so."""
    try:
        record = records.read(directory)
        found = list(validation_record.read(directory))
        common = settings({part: record.spec[part] for part in ("base",) if isinstance(record.spec.get(part), dict)})
    except (RecordError, ValueError, RecursionError) as error:
        yield Run(directory, "missing", shortened(sound(first_line(error)), 400))
        return
    teacher = [(place, one) for place, one in found if one.step is None]
    trained = [(place, one) for place, one in found if one.step is not None]
    words = ("distill", *runs.own(record.overrides))
    if not trained:
        so_far = "" if record.status == "done" else " so far"
        reason = f"a distillation without validations{so_far} (distill.validation.every)"
        yield Run(directory, "missing", reason, settings=common, overrides=words, again=False)
        return
    for place, one in trained:
        beside = [(where, other) for where, other in teacher if other.targets == one.targets]
        for where, other in (*beside, (place, one)):
            for image in other.images:
                yield _run(where, one, image, common, words)


def _run(place: Path, of: ValidationRecord, image: ValidatedImage, common: Settings, words: tuple[str, ...]) -> Run:
    drawn_in = _TEACHER if image.steps is None else str(image.steps)
    values = {STEP: of.step, DRAWN_IN: drawn_in, "prompt": image.prompt}
    numbers = {"distance": image.distance, "sharpness": image.sharpness, "loss": of.loss if image.steps else None}
    key = hashlib.sha256(f"{of.targets} {of.step} {image.output.file} {image.prompt}".encode("utf-8", "replace"))
    return Run(
        directory=place,
        status="done",
        key=key.hexdigest(),
        settings=Settings({**{name: json.dumps(value) for name, value in values.items()}, **common}),
        overrides=words,
        outputs=(image.output,),
        metrics={name: value for name, value in numbers.items() if value is not None},
        again=False,
    )
