"""``evaluation.json`` beside a page: what ``tcdflow evaluate`` has measured, as numbers of the page's runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tcdflow.errors import RecordError
from tcdflow.gallery.measured import name_of
from tcdflow.gallery.numbers import EVALUATED
from tcdflow.gallery.runs import Run
from tcdflow.record.data import read_model
from tcdflow.record.settings import sound
from tcdflow.text import first_line

FILE_NAME = "evaluation.json"
_MAX_BYTES = 256_000_000


class EvaluatedFile(BaseModel):
    """What the page reads of the file, which may be untrusted.

    Attributes:
        runs: numbers by name, by run key; where several runs have one key, by :func:`name_of`.
    """

    model_config = ConfigDict(extra="ignore")

    kind: str
    runs: dict[str, dict[str, float]]


def with_evaluation(runs: Sequence[Run], folder: Path) -> tuple[Sequence[Run], list[str]]:
    """Return runs with what an evaluation in a folder says of them, and a note if it cannot be read."""
    if not (folder / FILE_NAME).is_file():
        return runs, []
    try:
        found = read_model(folder / FILE_NAME, EvaluatedFile, most=_MAX_BYTES, what="evaluation")
    except RecordError as error:
        return runs, [first_line(error)]
    return [_with(run, found.runs.get(name_of(run), found.runs.get(run.key or "", {}))) for run in runs], []


def _with(run: Run, numbers: Mapping[str, Any]) -> Run:
    sound_ones = {
        sound(name[:100]): value
        for name, value in numbers.items()
        if name.startswith(EVALUATED) and math.isfinite(value)
    }
    return replace(run, metrics={**run.metrics, **sound_ones}) if sound_ones else run
