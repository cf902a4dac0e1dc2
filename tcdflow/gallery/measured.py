"""``measures.json``: what ``tcdflow measure`` has measured, as numbers of the runs that it is of."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel, ConfigDict, Field

from tcdflow.errors import RecordError
from tcdflow.files.lock import LockedFile
from tcdflow.gallery.runs import Run
from tcdflow.record.data import read_model
from tcdflow.record.document import Output
from tcdflow.record.settings import sound
from tcdflow.spec.metrics import metric_of
from tcdflow.text import first_line

FILE_NAME = "measures.json"
_MAX_BYTES = 256_000_000


class Measure(BaseModel):
    """What was measured of a run.

    Attributes:
        pixels: hash over the pixels of its images (:func:`pixels_of`): numbers of other images are none.
        images: a number for each of its images, in order.
        reference: run keys of the images that each was held against.
        against: hash over these images' pixels.
    """

    model_config = ConfigDict(extra="ignore")

    pixels: str
    images: list[float]
    reference: list[str | None] = Field(default=[])
    against: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether it has numbers, and all of them are finite."""
        return bool(self.images) and all(map(math.isfinite, self.images))


class Measures(BaseModel):
    """The numbers of one metric.

    Attributes:
        identity: hash of the metric's arithmetic and its model's files.
        source: of its model.
        files: of its model.
        against: words that chose the reference.
        runs: by run key; further ones of a key, whose images are computed or written in other ways, by key and hash.
    """

    model_config = ConfigDict(extra="ignore")

    identity: str = ""
    source: str | None = None
    files: list[LockedFile] = Field(default=[])
    against: list[str] | None = None
    runs: dict[str, Measure]

    def of(self, run: Run) -> Measure | None:
        """Return what was measured of the images that a run has now."""
        pixels = pixels_of(run.outputs)
        named = (self.runs.get(name) for name in (run.key or "", name_of(run)))
        return next((one for one in named if one is not None and one.pixels == pixels), None)

    def put(self, run: Run, measure: Measure) -> None:
        """Set what was measured of a run."""
        key = run.key or ""
        held = self.runs.get(key, measure)
        self.runs[key if held.pixels == measure.pixels else name_of(run)] = measure


class MeasuresFile(BaseModel):
    """The file, which may be untrusted.

    Attributes:
        kind: what the file is.
        tcdflow: version that wrote it.
        measures: by the columns that they are shown as: a metric's name, or with that of a model.
    """

    model_config = ConfigDict(extra="ignore")

    kind: str
    tcdflow: str
    measures: dict[str, Measures]


def read(folder: Path) -> MeasuresFile | None:
    """Return what a folder's file holds; None if there is none.

    Raises:
        RecordError: if it cannot be read.
    """
    path = folder / FILE_NAME
    return read_model(path, MeasuresFile, most=_MAX_BYTES, what="file of measures") if path.is_file() else None


def pixels_of(outputs: Sequence[Output]) -> str:
    """Return the hash over the pixels of images, which tells whether numbers are of them."""
    return hashlib.sha256("\n".join(one.pixel_sha256 for one in outputs).encode("utf-8", "replace")).hexdigest()[:32]


def name_of(run: Run) -> str:
    """Return what tells the images of a run from those of its key that are computed or written in other ways."""
    return f"{run.key}-{pixels_of(run.outputs)}"


@dataclass(frozen=True)
class Number:
    """What a measure says of each image of a run, and how they were measured."""

    values: Sequence[float]
    measures: Measures

    @property
    def mean(self) -> float:
        """Over the images."""
        return fmean(self.values)


class Files:
    """The files of measures that runs may stand in, each read once.

    A run's numbers stand in its own directory, in that of its sweep, or beside the page that shows it: the later one
    of these has the last word.

    Args:
        folder: of the page; None where there is no such place.

    Attributes:
        notes: files that cannot be read.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[Path, MeasuresFile | None] = {}
        self.notes: list[str] = []

    def of(self, run: Run) -> dict[str, Number]:
        """Return the numbers of a run, by column."""
        if run.key is None or not run.outputs:
            return {}
        places = [run.directory, run.directory.parent, run.directory.parent.parent]
        found: dict[str, Number] = {}
        for place in dict.fromkeys([*places, self._folder] if self._folder is not None else places):
            for column, measures in self._of(place).items():
                if values := _values(column, measures, run):
                    found[sound(column[:100])] = Number(values, measures)
        return found

    def _of(self, place: Path) -> Mapping[str, Measures]:
        if place not in self._read:
            try:
                self._read[place] = read(place)
            except RecordError as error:
                self._read[place] = None
                self.notes.append(first_line(error))
        held = self._read[place]
        return held.measures if held else {}


def with_measures(runs: Sequence[Run], folder: Path | None) -> tuple[list[Run], list[str]]:
    """Return runs with what was measured of them, and notes on files that cannot be read.

    Args:
        runs: of a page.
        folder: of the page; None where they are of several directories.
    """
    files = Files(folder)
    measured = [_with(run, files.of(run)) for run in runs]
    return measured, files.notes


def _with(run: Run, numbers: Mapping[str, Number]) -> Run:
    return replace(run, each={name: one.values for name, one in numbers.items()}) if numbers else run


def _values(column: str, measures: Measures, run: Run) -> Sequence[float]:
    """Return the numbers of a run's images, if they are of the images that the run has now."""
    metric, found = metric_of(column), measures.of(run)
    if metric is None or found is None or not found.is_sound or len(found.images) != len(run.outputs):
        return ()
    return [round(value, metric.digits) for value in found.images]
