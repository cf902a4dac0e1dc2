"""A labelled contact sheet of a run's inputs and images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from tcdflow.record.labels import Label

MAX_SIDE = 4096
"""Pixels a side that a sheet has at the most; cells are reduced to fit."""

SMALL = 192
"""Pixels: images below that are enlarged by a whole factor, so that their labels can be read."""

_LEAST_CELL = 24
_GAP = 12
PAPER, MAT, INK = (250, 250, 248), (232, 232, 229), (58, 58, 56)


def sheet(tiles: Sequence[tuple[str, Image.Image]], columns: int | None = None) -> Image.Image:
    """Return one RGB image with all tiles, row by row, each with its label below it.

    All cells are as wide as the widest tile and as high as the highest. A tile of another shape or size is centred in
    its cell and never cut: reduced if it is too large, enlarged by a whole factor if it fits several times.

    Args:
        tiles: label and image; labels are cut to the width of a cell.
        columns: tiles in a row. None: one row of up to four, else as square as may be.

    Raises:
        ValueError: if there are no tiles or ``columns`` is below 1.
    """
    if not tiles or (columns is not None and columns < 1):
        raise ValueError("a sheet needs at least one tile and one column")
    columns = min(columns or (len(tiles) if len(tiles) <= 4 else math.ceil(math.sqrt(len(tiles)))), len(tiles))
    rows = math.ceil(len(tiles) / columns)
    width, height = _cell([image.size for _, image in tiles], columns, rows)
    size = min(max(width // 14, 10), 20)
    below = 2 * size + _GAP // 2
    page = Image.new("RGB", (columns * (width + _GAP) + _GAP, rows * (height + below) + _GAP), PAPER)
    draw = ImageDraw.Draw(page)
    for number, (text, image) in enumerate(tiles):
        x = _GAP + (number % columns) * (width + _GAP)
        y = _GAP + (number // columns) * (height + below)
        tile = fitted(image.convert("RGB"), width, height)
        if tile.size != (width, height):
            page.paste(MAT, (x, y, x + width, y + height))
        page.paste(tile, (x + (width - tile.width) // 2, y + (height - tile.height) // 2))
        label = Label(text, size)
        label.draw(draw, x, y + height + size, label.cut(width), INK)
    return page


def _cell(sizes: Sequence[tuple[int, int]], columns: int, rows: int) -> tuple[int, int]:
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    factor: float = max(SMALL // max(width, height), 1)
    room_x, room_y = MAX_SIDE / columns - 2 * _GAP, MAX_SIDE / rows - 4 * _GAP
    factor = min(factor, room_x / width, room_y / height)
    return max(int(width * factor), _LEAST_CELL), max(int(height * factor), _LEAST_CELL)


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return an image as large as a cell holds: reduced, or enlarged by a whole factor."""
    ratio = min(width / image.width, height / image.height)
    if ratio >= 1:
        factor = int(ratio)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    reduced = max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)
    return image.resize(reduced, Image.Resampling.LANCZOS)
