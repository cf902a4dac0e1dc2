"""The page's data, made from what was found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from tcdflow.gallery.axes import Placed
from tcdflow.gallery.data import Cell, Data, MetricInfo
from tcdflow.gallery.images import Shown
from tcdflow.gallery.numbers import described
from tcdflow.gallery.ratings import Ratings
from tcdflow.gallery.runs import Run
from tcdflow.gallery.thumbnails import FOLDER, Look
from tcdflow.record.settings import HEAD, Settings, sound
from tcdflow.spec.metrics import metric_of

_BETTER = {"higher": "high", "lower": "low"}
_VIDEO = ".mp4"


class Texts:
    """Texts that stand once, by their numbers."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Return the number of a text."""
        return self._numbers.setdefault(text, len(self._numbers))

    def listed(self) -> list[str]:
        """Return them in the order of their numbers."""
        return list(self._numbers)


class Paths:
    """Paths relative to the page.

    Args:
        folder: of the page.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)
        self._parents: dict[Path, str] = {}

    def name(self, directory: Path) -> str:
        """Return a run directory as seen from the page."""
        parent = directory.parent
        if parent not in self._parents:  # one for all cells of a sweep
            self._parents[parent] = os.path.relpath(os.path.realpath(parent), self._folder)
        # The last step is not resolved: what is a link is not followed.
        return os.path.normpath(os.path.join(self._parents[parent], directory.name))  # noqa: PTH118


def build(
    axes: Sequence[Placed],
    images: Sequence[Shown],
    looks: Mapping[str, Look],
    ratings: Ratings,
    *,
    folder: Path,
    identity: str,
    running: bool = False,
) -> Data:
    """Return the page's data.

    Args:
        axes: on which the images are placed.
        images: in order.
        looks: what became of each image that there is, by its path.
        ratings: of its cells.
        folder: of the page, as the user named it.
        identity: names what a browser keeps.
        running: whether a sweep is under way.
    """
    texts, paths = Texts(), Paths(folder)
    runs = {id(image.run): image.run for image in images}
    varying = _varying(runs.values())
    some = next((run.settings for run in runs.values()), Settings({}))
    settings = {
        number: {key: texts(run.settings[key]) for key in run.settings if key in varying}
        for number, run in runs.items()
    }
    overrides = {number: [texts(text) for text in run.overrides] for number, run in runs.items()}
    names = {number: paths.name(run.directory) for number, run in runs.items()}
    rated, choices = ratings.shown()
    return Data(
        version=1,
        title=sound(folder.resolve().name or str(folder)),
        id=identity,
        root=sound(str(folder)),
        written=datetime.now(UTC).isoformat(timespec="milliseconds"),
        running=running,
        axes=[axis.shown() for axis in axes],
        metrics=list(_metrics(runs.values())),
        common={key: texts(text) for key, text in some.items() if key not in varying},
        head=texts(HEAD),
        cells=[
            _cell(image, names[id(image.run)], settings[id(image.run)], overrides[id(image.run)], looks)
            for image in images
        ],
        texts=texts.listed(),
        ratings=rated,
        choices=choices,
    )


def _varying(runs: Iterable[Run]) -> set[str]:
    """Return the settings that are not the same in all runs."""
    varying: set[str] = set()
    first: Settings | None = None
    for run in runs:
        first = run.settings if first is None else first
        varying.update(run.settings.differing(first))
    return varying


def _metrics(runs: Iterable[Run]) -> Iterable[MetricInfo]:
    there = {name for run in runs for name in (*run.metrics, *run.each)}
    known = {name: metric for name in there if (metric := metric_of(name)) is not None}
    first = sorted(known, key=lambda name: (known[name].column, name))
    for name in (*first, *sorted(there - known.keys())):
        metric = known.get(name)
        about, better = (metric.description, _BETTER[metric.better]) if metric else described(name)
        yield MetricInfo(name=name, description=about, better=better)  # type: ignore[typeddict-item]


def _cell(image: Shown, name: str, settings: dict[str, int], overrides: list[int], looks: Mapping[str, Look]) -> Cell:
    run, output = image.run, image.output
    status, reason, file, thumb = image.status, image.reason, None, None
    if output is not None:
        look = looks[image.path]
        if look.reason is not None:
            status, reason, output = "missing", look.reason, None
        else:
            file = url(os.path.normpath(f"{name}/{output.file}"))
            thumb = file if look.thumbnail is None else f"{FOLDER}/{look.thumbnail}"
    there = output is not None
    return Cell(
        id=image.id,
        name=sound(name),
        at=list(image.at),
        status=status,
        reason=reason,
        file=file,
        thumb=thumb,
        video=output is not None and output.file.endswith(_VIDEO),
        frames=output.frames if output else None,
        width=output.width if output else None,
        height=output.height if output else None,
        seed=image.seed,
        seconds=run.seconds if there else None,
        metrics=image.metrics if there else {},
        set=settings,
        overrides=overrides,
        image=image.number,
        again=run.again,
    )


def url(path: str) -> str:
    """Return a relative path as a relative URL."""
    encoded = quote(os.fsencode(path))
    # A first step with a colon would be a scheme.
    return f"./{encoded}" if ":" in encoded.partition("/")[0] else encoded
