"""``sweep.png``: a gallery as labelled sheets, one for each value of what stands in neither rows nor columns."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tcdflow._version import __version__
from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.gallery.axes import Placed
from tcdflow.gallery.collect import Collected, still
from tcdflow.gallery.images import Shown
from tcdflow.gallery.sheet import Legend, Matrix, Tile, draw
from tcdflow.gallery.values import axis_of, header, name, places
from tcdflow.record.atomic import write_bytes, write_text
from tcdflow.record.data import opened
from tcdflow.record.grid import MAX_SIDE
from tcdflow.text import shortened

CHUNK = "tcdflow_sheet"
"""Keyword of the iTXt chunk with what a sheet shows."""
STEM = "sweep"
ABOUT = "--sheet"
"""What mistakes are about."""
MAX_SHEETS = 200
_LEGEND = "Labels of the sheets that no font on this machine has the letters of:"
_TOLD = 500
"""Letters of a value that a sheet tells of itself: with more than 1 MiB of text Pillow refuses to open a file."""
_NONE = 256
"""Pixels a side of a sheet without any image."""
_SAME = "image"
"""Names the sheets of several images that stand at one place."""
_NAME = re.compile(rf"{STEM}(-\d{{1,4}})?\.(png|txt)")


@dataclass(frozen=True)
class View:
    """What stands where.

    Attributes:
        x: key of the axis along the columns; None: the last one that ``y`` and ``chosen`` leave.
        y: key of the axis along the rows; None: the first one that is left, unless ``x`` is given.
        chosen: values of others, as texts, by key.
    """

    x: str | None = None
    y: str | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, words: Sequence[str]) -> View:
        """Read ``x=KEY``, ``y=KEY`` and ``KEY=VALUE``.

        Raises:
            ConfigError: if a word is none of these.
        """
        found: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not value:
                what = "write x=KEY, y=KEY or KEY=VALUE, as in --sheet x=sampling.eta y=prompt sampling.seed=0"
                raise ConfigError([Problem(ABOUT, what, word)])
            if key in found:
                raise ConfigError([Problem(ABOUT, f"says {key} twice", word)])
            found[key] = value
        return cls(found.pop("x", None), found.pop("y", None), found)


def write(collected: Collected, folder: Path, view: View) -> list[Path]:
    """Write the sheets of runs; those of earlier sheets there that are not written again are removed.

    Args:
        collected: what they show.
        folder: where.
        view: what stands where.

    Returns:
        The paths of ``sweep.png``, or of ``sweep-1.png`` and so on, and of ``sweep.txt`` if some labels are numbers
        since no font here has their letters.

    Raises:
        ConfigError: if an axis or value is not there, or there were too many sheets.
        OutputError: if they cannot be written.
    """
    sheets, legend = list(matrices(collected, view)), Legend()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        earlier = _earlier(folder)
    except OSError as error:
        raise OutputError.of(folder, error) from error
    paths: list[Path] = []
    for number, matrix in enumerate(sheets, 1):
        path = folder / (f"{STEM}.png" if len(sheets) == 1 else f"{STEM}-{number}.png")
        write_bytes(path, encoded(draw(matrix, legend), recipe(collected, matrix)), durable=False)
        paths.append(path)
    if legend.texts:
        path = folder / f"{STEM}.txt"
        lines = (f"[{number}] {json.dumps(text, ensure_ascii=False)}\n" for number, text in enumerate(legend.texts, 1))
        write_text(path, f"{_LEGEND}\n{''.join(lines)}", durable=False)
        paths.append(path)
    for path in earlier:
        if path not in paths:
            path.unlink(missing_ok=True)
    return paths


def matrices(collected: Collected, view: View) -> Iterator[Matrix]:
    """Yield what each sheet shows.

    Raises:
        ConfigError: as of :func:`write`.
    """
    axes, images = collected.axes, collected.images
    for key, text in view.chosen.items():
        number = axis_of(axes, key, ABOUT)
        allowed = places(axes[number], key, text, ABOUT)
        images = tuple(image for image in images if image.at[number] in allowed)
    if not images:
        raise ConfigError([Problem(ABOUT, "no image has all of these values")])
    used = [sorted({image.at[number] for image in images}) for number in range(len(axes))]
    x, y = _directions(axes, used, view)
    others = [number for number in range(len(axes)) if number not in (x, y)]
    groups: dict[tuple[int, ...], list[Shown]] = {}
    for image in images:
        groups.setdefault(tuple(image.at[number] for number in others), []).append(image)
    parts = (
        part
        for place in sorted(groups)
        for matrix in _layers(groups[place], axes, (x, y), used, _told(axes, others, place))
        for part in matrix.folded().sheets()
    )
    for count, part in enumerate(parts):
        if count == MAX_SHEETS:
            shown = ", ".join(name(axes[number]) for number in others)
            what = f"makes more than {MAX_SHEETS} sheets; choose values of {shown or 'x and y'} with KEY=VALUE"
            raise ConfigError([Problem(ABOUT, what)])
        yield part


def recipe(collected: Collected, matrix: Matrix) -> dict[str, Any]:
    """Return what a sheet says of itself: its sweep, what stands where, and the run key of each of its images."""
    keys = {image.id: image for image in collected.images}
    return {
        "schema_version": 1,
        "tcdflow": __version__,
        "sweep": [path.resolve().name for path in collected.directories],
        "plan": collected.identity,
        "chosen": matrix.title,
        "x": {"key": matrix.across, "values": [shortened(text, _TOLD) for text in matrix.columns]},
        "y": {"key": matrix.down, "values": [shortened(text, _TOLD) for text in matrix.rows]},
        "images": [
            {
                "row": row,
                "column": column,
                "key": keys[tile.id].run.key,
                "image": keys[tile.id].number,
                "seed": keys[tile.id].seed,
                "status": tile.status,
            }
            | ({"x": shortened(tile.caption, _TOLD)} if tile.caption else {})
            for (row, column), tile in sorted(matrix.tiles.items())
        ],
    }


def _told(axes: Sequence[Placed], others: Sequence[int], place: Sequence[int]) -> list[str]:
    """Return what all images of a sheet share of what varies elsewhere."""
    return [
        f"{name(axes[number])}={shortened(header(axes[number].values[at]), 120)}"
        for number, at in zip(others, place, strict=True)
        if len(axes[number].values) > 1
    ]


def _layers(
    images: Sequence[Shown],
    axes: Sequence[Placed],
    directions: tuple[int | None, int | None],
    used: Sequence[Sequence[int]],
    told: Sequence[str],
) -> Iterator[Matrix]:
    """Yield one sheet, and further ones where several images stand at one place."""
    x, y = directions
    stacks: dict[tuple[int, int], list[Shown]] = {}
    for image in images:
        row = used[y].index(image.at[y]) if y is not None else 0
        column = used[x].index(image.at[x]) if x is not None else 0
        stacks.setdefault((row, column), []).append(image)
    made = [image.output for image in images if image.output is not None]
    sides = [one.width for one in made], [one.height for one in made]
    width, height = (min(max(side, default=_NONE), MAX_SIDE) for side in sides)
    layers = max(map(len, stacks.values()))
    for layer in range(layers):
        yield Matrix(
            title=",  ".join([*told, *([f"{_SAME} {layer + 1} of {layers}"] if layers > 1 else [])]),
            across=name(axes[x]) if x is not None else "",
            down=name(axes[y]) if y is not None else "",
            columns=_headers(axes, x, used),
            rows=_headers(axes, y, used),
            tiles={place: _tile(stack[layer]) for place, stack in stacks.items() if len(stack) > layer},
            size=(max(width, 1), max(height, 1)),
        )


def _tile(image: Shown) -> Tile:
    load = partial(still, image) if image.output is not None else None
    return Tile(image.id, image.status, image.reason, load)


def _directions(axes: Sequence[Placed], used: Sequence[Sequence[int]], view: View) -> tuple[int | None, int | None]:
    """Return the numbers of the axes along columns and rows."""
    x = axis_of(axes, view.x, ABOUT) if view.x is not None else None
    y = axis_of(axes, view.y, ABOUT) if view.y is not None else None
    if x is not None and x == y:
        raise ConfigError([Problem(ABOUT, "x and y are one axis", view.x)])
    free = [number for number in range(len(axes)) if number not in (x, y) and len(used[number]) > 1]
    if x is None and free:
        x = free.pop()
    if y is None and view.x is None and free:
        y = free.pop(0)
    return x, y


def _headers(axes: Sequence[Placed], number: int | None, used: Sequence[Sequence[int]]) -> tuple[str, ...]:
    return ("",) if number is None else tuple(header(axes[number].values[place]) for place in used[number])


def encoded(image: Image.Image, told: Mapping[str, Any]) -> bytes:
    """Return a sheet as PNG, with what it says of itself."""
    info = PngInfo()
    info.add_itxt(CHUNK, json.dumps(told, ensure_ascii=False), zip=True)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def _earlier(folder: Path) -> list[Path]:
    """Return the sheets that lie there, and their legend.

    Raises:
        ConfigError: if a file of somebody else's has the name of one.
    """
    found = [path for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)]
    for path in found:
        if not _is_ours(path):
            what = f"{path.name} is there, and is no sheet that tcdflow has written; move it away"
            raise ConfigError([Problem(ABOUT, what, str(folder))])
    return found


def _is_ours(path: Path) -> bool:
    """Say whether a file says of itself that it is a sheet or legend; a link is none."""
    try:
        with opened(path) as file:
            start = file.read(4096)
    except (OSError, ValueError):
        return False
    return not path.is_symlink() and (CHUNK.encode() in start or start.startswith(_LEGEND.encode()))
