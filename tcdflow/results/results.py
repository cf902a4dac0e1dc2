"""The images of runs and sweeps: a sequence that filters, sorts, shows and tabulates itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

from PIL import Image

from tcdflow.errors import ConfigError, Problem
from tcdflow.gallery.axes import label
from tcdflow.gallery.collect import Collected, collect
from tcdflow.gallery.sheet import Legend, draw
from tcdflow.gallery.sheets import View, matrices
from tcdflow.results import frames, html
from tcdflow.results.conditions import Condition, check_key, value_of
from tcdflow.results.image import ImageResult
from tcdflow.results.overview import overview
from tcdflow.text import counted

MAX_SHOWN = 60
"""Images that a notebook shows."""


class Results(Sequence[ImageResult]):
    """The images of a run, of a sweep or of several, in order; those that are not there have their place.

    ::

        results = tcdflow.sweep("prompt=a fox,a panda", "sampling.eta=0,0.5,1")
        results.filter("sampling.eta=0,0.5", "sharpness>=100").grid(x="sampling.eta", y="prompt")

    In a notebook they show themselves, up to 60 of them.
    """

    def __init__(self, collected: Collected) -> None:
        self._collected = collected
        self._images = tuple(ImageResult(shown, collected.axes) for shown in collected.images)

    @classmethod
    def of(cls, directories: Sequence[Path]) -> Results:
        """Read what is in directories.

        Raises:
            RecordError: if one is no directory, or holds no run.
        """
        return cls(collect(directories))

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories that they were read from."""
        return self._collected.directories

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read there, and other things worth knowing."""
        return self._collected.notes

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """What varies among them: the values that occur, by dotted key. Keys that vary together have as many."""
        found: dict[str, tuple[Any, ...]] = {}
        for number, axis in enumerate(self._collected.axes):
            used = sorted({image.shown.at[number] for image in self._images})
            if len(used) > 1:
                found |= {key: tuple(axis.values[at][place] for at in used) for place, key in enumerate(axis.keys)}
        return found

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of their metrics."""
        return tuple(dict.fromkeys(name for image in self._images for name in image.metrics))

    def filter(self, *conditions: str | Callable[[ImageResult], bool]) -> Results:
        """Return the images for which all conditions hold.

        Args:
            conditions: written as overrides are, of a dotted key, a metric, ``status``, ``seed`` or ``seconds``:
                ``"sampling.eta=0,0.5"`` (one of them), ``"prompt!=a fox"``, ``"sharpness>=100"``; or functions of an
                image: ``lambda image: image["sampling.steps"] > 2``.

        Raises:
            ConfigError: if a key is not there, or a value that an image was to have occurs nowhere.
        """
        images: list[ImageResult] = list(self._images)
        for condition in conditions:
            if callable(condition):
                images = [image for image in images if condition(image)]
            else:
                images = Condition.parse(condition).holding(images)
        return self._only(images)

    def sorted_by(self, key: str, *, descending: bool = False) -> Results:
        """Return them ordered by a setting or metric; those without a value come last.

        Raises:
            ConfigError: if there is no such key.
        """
        check_key(self._images, key, "sorted_by")
        having = [image for image in self._images if value_of(image, key) is not None]
        values = [value_of(image, key) for image in having]
        numeric = all(isinstance(value, int | float) for value in values)

        def place(image: ImageResult) -> Any:
            return value_of(image, key) if numeric else label(value_of(image, key))

        lacking = [image for image in self._images if value_of(image, key) is None]
        return self._only([*sorted(having, key=place, reverse=descending), *lacking])

    def grid(self, x: str | None = None, y: str | None = None) -> Image.Image:
        """Return them as one labelled image, of at most 4096 pixels a side; of animations the frame in the middle.

        Where no font on this machine has the letters of a label it is a number, and ``info["legend"]`` of the image
        says what it stands for.

        Args:
            x: dotted key of what varies from column to column; None chooses.
            y: the same from row to row; None chooses, if ``x`` is None too.

        Raises:
            ConfigError: if there is no such axis, something else varies too, or they do not fit one image.
        """
        if not self._images:
            raise ConfigError([Problem("grid", "there is no image; the filters leave none")])
        sheets = []
        try:
            for matrix in matrices(self._collected, View(x, y)):
                sheets.append(matrix)
                if len(sheets) > 1:
                    break
        except ConfigError as error:
            raise ConfigError([replace(problem, key="grid") for problem in error.problems]) from None
        if len(sheets) > 1:
            raise ConfigError([Problem("grid", self._what_else(x, y))])
        legend = Legend()
        image = draw(sheets[0], legend)
        if legend.texts:
            image.info["legend"] = "\n".join(f"[{number}] {text}" for number, text in enumerate(legend.texts, 1))
        return image

    def _what_else(self, x: str | None, y: str | None) -> str:
        others = [key for key in self.axes if key not in (x, y)]
        told = f"{', '.join(others)} varies too" if others else "they do not fit one image"
        first = next(iter(others), None)
        example = f'.filter("{first}={label(self.axes[first][0])}")' if first else ".filter(...)"
        return f"{told}: choose with {example}, or write sheets with tcdflow gallery DIR --sheet"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a row for each image: what varies, its main settings, metrics, file, run key and command."""
        return frames.rows(self._collected)

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with a row for each image, as of :meth:`to_dicts`.

        Raises:
            RequestError: if pandas is not installed.
        """
        return frames.module("pandas").DataFrame(self.to_dicts())

    def to_polars(self) -> Any:
        """Return a polars DataFrame with a row for each image, as of :meth:`to_dicts`.

        Raises:
            RequestError: if polars is not installed.
        """
        return frames.module("polars").DataFrame(self.to_dicts(), infer_schema_length=None)

    @overload
    def __getitem__(self, place: int) -> ImageResult: ...
    @overload
    def __getitem__(self, place: slice) -> Results: ...
    def __getitem__(self, place: int | slice) -> ImageResult | Results:
        return self._only(self._images[place]) if isinstance(place, slice) else self._images[place]

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[ImageResult]:
        return iter(self._images)

    def __repr__(self) -> str:
        return f"<Results: {self._said()}>"

    def _repr_html_(self) -> str:
        """Show them in a notebook, with headers where two things vary at the most."""
        more = len(self) - MAX_SHOWN
        rest = f"<div>… and {more} more: filter them, or open the page (tcdflow gallery)</div>" if more > 0 else ""
        shown = overview(self._images[:MAX_SHOWN], self._collected.axes)
        return f'<div style="font-size:12px">{html.text(self._said(), 400)}</div>{shown}{rest}'

    def _said(self) -> str:
        statuses = [image.status for image in self._images]
        lacking = [f"{statuses.count(how)} {how}" for how in ("failed", "running", "missing") if how in statuses]
        varies = ", ".join(f"{key} ({len(values)})" for key, values in self.axes.items())
        where = ", ".join(str(path) for path in self.directories[:3])
        said = [f"{counted(len(self), 'image')} in {where}", *([f"{', '.join(lacking)}"] if lacking else [])]
        return "; ".join([*said, *([varies] if varies else [])])

    def _only(self, images: Sequence[ImageResult]) -> Results:
        return Results(replace(self._collected, images=tuple(image.shown for image in images)))
