"""What the page reads: the contract between the Python that writes it and its JavaScript.

A number called a text is an index into ``texts``: what many cells share stands in the page once.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Status = Literal["done", "failed", "running", "missing"]
Text = int
"""Index into :class:`Data`'s ``texts``."""


class Value(TypedDict):
    """One value of an axis: as it is shown, and as a number where it is one."""

    text: str
    number: float | None


class Axis(TypedDict):
    """A setting that varies, or several that vary together; ``key`` then names all of them.

    ``numeric`` says whether all values are numbers.
    """

    key: str
    numeric: bool
    values: list[Value]


class MetricInfo(TypedDict):
    """A number that cells have, and which direction is an improvement."""

    name: str
    description: str
    better: Literal["high", "low"] | None


class Cell(TypedDict):
    """An image, or a run that has none.

    ``id`` stays the same when the page is written again; ``name`` is the run directory relative to the page, ``at`` the
    position on each axis, ``image`` the number of the image in its run. ``file`` and ``thumb`` are relative URLs.
    ``video`` marks what a ``<video>`` shows. ``set`` has the settings that differ from the page's ``common``,
    ``overrides`` those of the run as texts. ``seconds`` is the time that the whole run took. Where ``again`` is false
    no command but that of the overrides makes it again.
    """

    id: str
    name: str
    at: list[int]
    status: Status
    reason: str | None
    file: str | None
    thumb: str | None
    video: bool
    frames: int | None
    width: int | None
    height: int | None
    seed: int | None
    seconds: float | None
    metrics: dict[str, float]
    set: dict[str, Text]
    overrides: list[Text]
    image: int
    again: bool


class Rating(TypedDict):
    """What a person says of a cell: 1 to 5 stars, or that it is a favourite."""

    stars: NotRequired[int]
    favourite: NotRequired[bool]


class Choice(TypedDict):
    """Two cells that were shown without their settings, and the one that was chosen; None for neither."""

    left: str
    right: str
    chosen: str | None


class Data(TypedDict):
    """All that the page shows.

    ``id`` names the browser's storage, ``root`` is the directory of the page as the user named it, ``written`` an ISO
    time in UTC, ``common`` what all cells have, ``head`` the first lines of a YAML that composes to a cell.
    ``ratings`` and ``choices`` are those of the ``ratings.json`` beside the page, by the ids of cells.
    """

    version: Literal[1]
    title: str
    id: str
    root: str
    written: str
    running: bool
    texts: list[str]
    axes: list[Axis]
    metrics: list[MetricInfo]
    common: dict[str, Text]
    head: Text
    cells: list[Cell]
    ratings: dict[str, Rating]
    choices: list[Choice]
