"""``evaluation.json`` beside a page: what ``tcdflow evaluate`` has measured, as numbers of the page's runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tcdflow.errors import RecordError
from tcdflow.gallery.runs import Run
from tcdflow.record.data import read_model
from tcdflow.record.settings import sound
from tcdflow.text import first_line

FILE_NAME = "evaluation.json"
_MAX_BYTES = 256_000_000
_ABOUT = {
    "frechet_": ("Fréchet distance of the run's condition from the reference, mean over its seed sets", "low"),
    "accuracy_": ("share of the run's images whose nearest image of the reference has their prompt", "high"),
}


class EvaluatedFile(BaseModel):
    """What the page reads of the file, which may be untrusted.

    Attributes:
        runs: numbers by name, by run key.
    """

    model_config = ConfigDict(extra="ignore")

    kind: str
    runs: dict[str, dict[str, float]]


def described(name: str) -> tuple[str, str | None]:
    """Return what a number of an evaluation is, and which direction is better: ``high`` or ``low``."""
    return next((found for prefix, found in _ABOUT.items() if name.startswith(prefix)), ("", None))


def with_numbers(runs: Sequence[Run], folder: Path) -> tuple[Sequence[Run], list[str]]:
    """Return runs with what an evaluation in a folder says of them, and a note if it cannot be read."""
    if not (folder / FILE_NAME).is_file():
        return runs, []
    try:
        found = read_model(folder / FILE_NAME, EvaluatedFile, most=_MAX_BYTES, what="evaluation")
    except RecordError as error:
        return runs, [first_line(error)]
    return [_with(run, found.runs.get(run.key or "", {})) for run in runs], []


def _with(run: Run, numbers: Mapping[str, Any]) -> Run:
    sound_ones = {
        sound(name[:100]): value
        for name, value in numbers.items()
        if name.startswith(tuple(_ABOUT)) and math.isfinite(value)
    }
    return replace(run, metrics={**run.metrics, **sound_ones}) if sound_ones else run
