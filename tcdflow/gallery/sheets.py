"""``sweep.png``: a gallery as labelled sheets, one for each value of what stands in neither rows nor columns."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tcdflow._version import __version__
from tcdflow.errors import ConfigError, Problem
from tcdflow.gallery.data import Axis, Cell, Data
from tcdflow.gallery.sheet import Legend, Matrix, Tile, draw
from tcdflow.gallery.values import axis_of, places
from tcdflow.record.atomic import write_bytes, write_text
from tcdflow.record.data import opened
from tcdflow.record.pixels import frames_of
from tcdflow.text import shortened

CHUNK = "tcdflow_sheet"
"""Keyword of the iTXt chunk with what a sheet shows."""
STEM = "sweep"
ABOUT = "--sheet"
"""What mistakes are about."""
MAX_SHEETS = 200
_LEGEND = "Labels of the sheets that no font on this machine has the letters of:"
_SAME = "image"
"""Names the sheets of several images that stand at one place."""
_NAME = re.compile(rf"{STEM}(-\d{{1,4}})?\.(png|txt)")


@dataclass(frozen=True)
class View:
    """What stands where.

    Attributes:
        x: key of the axis along the columns; None: the last one that ``y`` and ``chosen`` leave.
        y: key of the axis along the rows; None: the first one that is left, if another one is.
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


def write(data: Data, folder: Path, view: View) -> list[Path]:
    """Write the sheets of a gallery beside its page; those of earlier sheets that are not written again are removed.

    Args:
        data: of the gallery.
        folder: of its page, to which the paths of its images are relative.
        view: what stands where.

    Returns:
        The paths of ``sweep.png``, or of ``sweep-1.png`` and so on, and of ``sweep.txt`` if some labels are numbers
        since no font here has their letters.

    Raises:
        ConfigError: if an axis or value is not there, or there were too many sheets.
        OutputError: if they cannot be written.
    """
    sheets, legend = list(matrices(data, folder, view)), Legend()
    earlier = _earlier(folder)
    paths: list[Path] = []
    for number, matrix in enumerate(sheets, 1):
        path = folder / (f"{STEM}.png" if len(sheets) == 1 else f"{STEM}-{number}.png")
        write_bytes(path, _encoded(draw(matrix, legend), recipe(data, matrix)), durable=False)
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


def matrices(data: Data, folder: Path, view: View) -> Iterator[Matrix]:
    """Yield what each sheet shows.

    Raises:
        ConfigError: as of :func:`write`.
    """
    axes, cells = data["axes"], list(data["cells"])
    for key, text in view.chosen.items():
        number = axis_of(axes, key, ABOUT)
        allowed = places(axes[number], key, text, ABOUT)
        cells = [cell for cell in cells if cell["at"][number] in allowed]
    if not cells:
        raise ConfigError([Problem(ABOUT, "no image has all of these values")])
    used = [sorted({cell["at"][number] for cell in cells}) for number in range(len(axes))]
    x, y = _directions(axes, used, view)
    others = [number for number in range(len(axes)) if number not in (x, y) and len(used[number]) > 1]
    told = [number for number in range(len(axes)) if number not in (x, y) and len(axes[number]["values"]) > 1]
    groups: dict[tuple[int, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell["at"][number] for number in others), []).append(cell)
    count = 0
    for place in sorted(groups):
        for title, tiles, size in _layers(groups[place], folder, x, y, used):
            names = [f"{axes[n]['key']}={_short(axes[n], groups[place][0]['at'][n])}" for n in told]
            whole = Matrix(
                title=",  ".join([*names, *title]),
                across=axes[x]["key"] if x is not None else "",
                down=axes[y]["key"] if y is not None else "",
                columns=_headers(axes, x, used),
                rows=_headers(axes, y, used),
                tiles=tiles,
                size=size,
            )
            for part in whole.folded().sheets():
                count += 1
                if count > MAX_SHEETS:
                    shown = ", ".join(axes[number]["key"] for number in others)
                    what = f"makes more than {MAX_SHEETS} sheets; choose values of {shown or 'x and y'} with KEY=VALUE"
                    raise ConfigError([Problem(ABOUT, what)])
                yield part


def recipe(data: Data, matrix: Matrix) -> dict[str, Any]:
    """Return what a sheet says of itself: its sweep, what stands where, and the run key of each of its images."""
    return {
        "schema_version": 1,
        "tcdflow": __version__,
        "sweep": data["title"],
        "plan": data["id"],
        "chosen": matrix.title,
        "x": {"key": matrix.across, "values": list(matrix.columns)},
        "y": {"key": matrix.down, "values": list(matrix.rows)},
        "images": [
            {"row": row, "column": column, "image": tile.id, "status": tile.status}
            | ({"x": tile.caption} if tile.caption else {})
            for (row, column), tile in sorted(matrix.tiles.items())
        ],
    }


def picture(cell: Cell, folder: Path) -> Image.Image:
    """Return the image of a cell, of an animation the frame in its middle.

    Raises:
        RecordError: if it cannot be read.
    """
    assert cell["file"] is not None
    middle = (cell["frames"] or 1) // 2
    frames = list(itertools.islice(frames_of(folder / unquote(cell["file"])), middle + 1))
    return frames[-1]


def _layers(
    cells: Sequence[Cell], folder: Path, x: int | None, y: int | None, used: Sequence[Sequence[int]]
) -> Iterator[tuple[list[str], dict[tuple[int, int], Tile], tuple[int, int]]]:
    """Yield the tiles of one sheet, and of further ones where several images stand at one place."""
    stacks: dict[tuple[int, int], list[Cell]] = {}
    for cell in cells:
        row = used[y].index(cell["at"][y]) if y is not None else 0
        column = used[x].index(cell["at"][x]) if x is not None else 0
        stacks.setdefault((row, column), []).append(cell)
    sizes = [(cell["width"], cell["height"]) for cell in cells if cell["width"] and cell["height"]]
    size = max((w for w, _ in sizes), default=256) or 256, max((h for _, h in sizes), default=256) or 256
    for layer in range(max(map(len, stacks.values()))):
        tiles = {place: _tile(stack[layer], folder) for place, stack in stacks.items() if len(stack) > layer}
        yield [f"{_SAME} {layer + 1}"] * (len(cells) > len(stacks)), tiles, size


def _tile(cell: Cell, folder: Path) -> Tile:
    load = partial(picture, cell, folder) if cell["file"] is not None else None
    return Tile(cell["id"], cell["status"], cell["reason"], load)


def _directions(axes: Sequence[Axis], used: Sequence[Sequence[int]], view: View) -> tuple[int | None, int | None]:
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


def _headers(axes: Sequence[Axis], number: int | None, used: Sequence[Sequence[int]]) -> tuple[str, ...]:
    return ("",) if number is None else tuple(axes[number]["values"][place]["text"] for place in used[number])


def _short(axis: Axis, place: int) -> str:
    return shortened(axis["values"][place]["text"], 120)


def _encoded(image: Image.Image, told: dict[str, Any]) -> bytes:
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
