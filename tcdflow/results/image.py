"""One image of a run or sweep, with its settings and metrics; or the place of one that is not there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.gallery.axes import SEED, Placed, label
from tcdflow.gallery.collect import frames, still
from tcdflow.gallery.data import Status
from tcdflow.gallery.images import Shown
from tcdflow.gallery.rows import command
from tcdflow.record import document
from tcdflow.record.document import Record
from tcdflow.results import html

Value = Any
"""Of a setting: a text, number, list or mapping, or None."""


class ImageResult(Mapping[str, Value]):
    """An image with all that is known of it: its settings by dotted key and its metrics by name, as a mapping.

    ``image["sampling.eta"]``, ``image["sharpness"]``, ``dict(image)``. An image that has failed, or is not there yet,
    has its settings too. In a notebook it shows itself.

    Attributes:
        shown: what was read of it.
    """

    def __init__(self, shown: Shown, axes: tuple[Placed, ...]) -> None:
        self.shown = shown
        self._axes = axes

    @property
    def status(self) -> Status:
        """How far it is: ``done``, ``failed``, ``running`` or ``missing``."""
        return self.shown.status

    @property
    def reason(self) -> str | None:
        """Why it is not there."""
        return self.shown.reason

    @property
    def seed(self) -> int | None:
        """The seed of its noise."""
        return self.shown.seed

    @property
    def seconds(self) -> float | None:
        """Seconds that its run took."""
        return self.shown.run.seconds

    @property
    def metrics(self) -> Mapping[str, float]:
        """Its metrics by name; those that a record keeps are means over the images of its run."""
        return self.shown.metrics

    @property
    def directory(self) -> Path:
        """The directory of its run."""
        return self.shown.run.directory

    @property
    def path(self) -> Path | None:
        """Its file; None if there is none."""
        return Path(self.shown.path) if self.shown.output is not None else None

    @property
    def key(self) -> str | None:
        """Its run's key: runs of one key make the same images."""
        return self.shown.run.key

    @property
    def command(self) -> str:
        """The command that makes its run again, for a shell."""
        if not self.shown.run.again:
            return shlex.join(["tcdflow", *self.shown.run.overrides])
        return command(".", str(self.directory), "")

    @property
    def image(self) -> Image.Image:
        """The image, RGB; of an animation the frame in its middle.

        Raises:
            RecordError: if it is not there, or not what was recorded.
        """
        return still(self.shown)

    @property
    def frames(self) -> tuple[Image.Image, ...]:
        """The frames of an animation, RGB; of an image itself.

        Raises:
            RecordError: as of :attr:`image`.
        """
        return frames(self.shown)

    @property
    def record(self) -> Record:
        """The content of its run's ``run.json``.

        Raises:
            RecordError: if there is none.
        """
        return document.read(self.directory)

    @property
    def varying(self) -> dict[str, str]:
        """What varies within the results that it is of, as texts, by key."""
        pairs = ((axis, axis.values[at]) for axis, at in zip(self._axes, self.shown.at, strict=True))
        return {
            key: label(value)
            for axis, values in pairs
            if len(axis.values) > 1
            for key, value in zip(axis.keys, values, strict=True)
        }

    @cached_property
    def _values(self) -> dict[str, Value]:
        own: dict[str, Value] = {}
        for axis, at in zip(self._axes, self.shown.at, strict=True):
            own |= zip(axis.keys, axis.values[at], strict=True)
        own |= {key: json.loads(text) for key, text in self.shown.run.settings.items()}
        if self.seed is not None:
            own[SEED] = self.seed
        return own | dict(self.metrics)

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self.shown.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageResult) and self.shown == other.shown

    def __repr__(self) -> str:
        said = ", ".join(f"{key}={text}" for key, text in self.varying.items())
        return f"<ImageResult {self.shown.id}: {self.status}{f', {said}' if said else ''}>"

    def _repr_html_(self) -> str:
        """Show it in a notebook: itself as it is in its file, animations moving, or why it is not there."""
        try:
            shown = html.whole(self.shown)
        except RecordError as error:
            shown = html.nothing(self.status, self.reason or str(error))
        return html.figure(shown, [f"{key}={text}" for key, text in self.varying.items()])
