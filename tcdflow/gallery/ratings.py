"""``ratings.json``: what a person said of images, exported by the page, kept beside it. May be untrusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tcdflow.errors import RecordError
from tcdflow.gallery import data
from tcdflow.record.atomic import write_text
from tcdflow.record.data import read_model
from tcdflow.text import about

FILE_NAME = "ratings.json"
MAX_BYTES = 64_000_000
_MOST = 1_000_000

CellId = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}-[0-9]{1,6}(-[0-9a-f]{1,64})?$")]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Rating(_Data):
    """What is said of one image."""

    stars: int | None = Field(None, ge=1, le=5)
    favourite: bool | None = None


class Choice(_Data):
    """Two images shown without their settings, and the one that was chosen; None for neither."""

    left: CellId
    right: CellId
    chosen: CellId | None


class Ratings(_Data):
    """The content of ``ratings.json``.

    Attributes:
        id: of the page that they were given on.
        ratings: by the ids of cells.
        choices: in the order in which they were made.
    """

    version: Literal[1] = 1
    id: str = Field("", pattern=r"^[0-9a-f]{0,64}$")
    ratings: dict[CellId, Rating] = Field(default_factory=dict, max_length=_MOST)
    choices: list[Choice] = Field(default_factory=list, max_length=_MOST)

    def with_(self, newer: Ratings) -> Ratings:
        """Return both: the newer has the last word on an image, and its choices are added, none twice."""
        choices = dict.fromkeys((*self.choices, *newer.choices))
        return Ratings(id=newer.id, ratings=self.ratings | newer.ratings, choices=list(choices))

    def shown(self) -> tuple[dict[str, data.Rating], list[data.Choice]]:
        """Return ratings and choices as the page reads them."""
        ratings: dict[str, data.Rating] = {
            cell: rating.model_dump(exclude_none=True)  # type: ignore[misc]
            for cell, rating in self.ratings.items()
        }
        choices: list[data.Choice] = [choice.model_dump() for choice in self.choices]  # type: ignore[misc]
        return ratings, choices

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Return how often each image was chosen, and how often it was one of two."""
        chosen = Counter(choice.chosen for choice in self.choices if choice.chosen is not None)
        compared = Counter(cell for choice in self.choices for cell in (choice.left, choice.right))
        return chosen, compared

    def write(self, directory: Path) -> None:
        """Write ``ratings.json`` atomically.

        Raises:
            OutputError: if it cannot be written.
        """
        ratings, choices = self.shown()
        plain = {"version": self.version, "id": self.id, "ratings": ratings, "choices": choices}
        write_text(directory / FILE_NAME, json.dumps(plain, indent=1) + "\n")


def read(path: Path) -> Ratings:
    """Read a file of ratings.

    Raises:
        RecordError: if there is none, or it is damaged.
    """
    hint = "; the gallery's page exports one"
    return read_model(
        path, Ratings, most=MAX_BYTES, what="file of ratings, as the gallery's page exports it", hint=hint
    )


def of_directory(directory: Path) -> Ratings:
    """Return the ratings of a directory; none where it has no file of them.

    Raises:
        RecordError: if it is damaged.
    """
    path = directory / FILE_NAME
    if path.is_symlink():
        raise RecordError(about(path, "is a link, which may lead anywhere"))
    return read(path) if path.exists() else Ratings()


def check(ratings: Ratings, path: Path, ids: Collection[str]) -> str | None:
    """Return what is probably not meant: ratings of images that are not there.

    Raises:
        RecordError: if none of them is of these images.
    """
    rated = {*ratings.ratings, *(cell for choice in ratings.choices for cell in (choice.left, choice.right))}
    strange = len(rated.difference(ids))
    if rated and strange == len(rated):
        raise RecordError(
            about(path, f"none of its {strange} ratings is of an image here; name the directory it is of")
        )
    return about(path, f"{strange} of its {len(rated)} ratings are of images that are not here") if strange else None
