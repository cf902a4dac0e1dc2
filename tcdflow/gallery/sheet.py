"""One sheet: images in rows and columns with headers, as a picture for a paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from PIL import Image, ImageDraw

from tcdflow.errors import TcdflowError
from tcdflow.record.grid import INK, MAT, MAX_SIDE, PAPER, SMALL, fitted
from tcdflow.record.labels import Label

_FAINT, _WRONG = (128, 128, 124), (176, 62, 48)
_CROSS = {"failed": (226, 200, 194), "missing": (214, 214, 210)}
_HEAD = 420
"""Pixels beside the images and above them that headers may take."""
_LINES, _CAPTION = 4, 2
"""Lines of a header and of a caption, at the most."""
_LONG = 10
"""Images that stand in one row where nothing varies from row to row."""


@dataclass(frozen=True)
class Tile:
    """What is at one place of a sheet.

    Attributes:
        id: of the image.
        status: how far it is; only what is done has an image.
        reason: why there is none.
        load: returns the image.
        caption: stands above it.
    """

    id: str
    status: str
    reason: str | None = None
    load: Callable[[], Image.Image] | None = None
    caption: str = ""


@dataclass(frozen=True)
class Matrix:
    """What a sheet shows.

    Attributes:
        title: what all its images have in common, of what varies in the sweep.
        across: what varies from column to column, and ``down`` from row to row; empty if nothing does.
        columns: header of each column.
        rows: header of each row.
        tiles: by row and column; where there is none, no image was asked for.
        size: width and height of the largest image in pixels.
    """

    title: str
    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    tiles: Mapping[tuple[int, int], Tile]
    size: tuple[int, int]

    def part(self, rows: range, columns: range) -> Matrix:
        """Return some of its rows and columns."""
        tiles = {
            (r - rows.start, c - columns.start): tile
            for (r, c), tile in self.tiles.items()
            if r in rows and c in columns
        }
        own = self.rows[rows.start : rows.stop], self.columns[columns.start : columns.stop]
        return replace(self, rows=own[0], columns=own[1], tiles=tiles)

    def sheets(self) -> list[Matrix]:
        """Return it in parts of a size that can be opened, where images of less than 192 pixels would fit one sheet."""
        across, down = self._most()
        columns, rows = _chunks(len(self.columns), across), _chunks(len(self.rows), down)
        return [self.part(some, others) for some in rows for others in columns]

    def cell(self) -> tuple[int, int]:
        """Return width and height of its cells: those of its images, enlarged if small, reduced if they are many."""
        width, height = self.size
        factor: float = max(SMALL // max(width, height), 1)
        gap = _gap(int(max(width, height) * factor))
        room_x = (MAX_SIDE - _HEAD) / len(self.columns) - gap
        factor = min(factor, room_x / width)
        room_y = (MAX_SIDE - _HEAD) / len(self.rows) - gap - self._captions(int(width * factor))
        factor = min(factor, room_y / height)
        return max(int(width * factor), 1), max(int(height * factor), 1)

    def _most(self) -> tuple[int, int]:
        """Return how many of its columns and rows fit a sheet at the least size of an image."""
        least = min(SMALL / max(self.size), 1.0)
        width, height = (max(round(side * least), 1) + _gap(SMALL) for side in self.size)
        return (MAX_SIDE - _HEAD) // width, (MAX_SIDE - _HEAD) // (height + self._captions(width))

    def _captions(self, width: int) -> int:
        return _CAPTION * _line(width) if any(tile.caption for tile in self.tiles.values()) else 0

    def folded(self) -> Matrix:
        """Return one long row of images as several, each image with its column's header above it."""
        count = len(self.columns)
        if len(self.rows) > 1 or count <= _LONG:
            return self
        across = min(math.ceil(math.sqrt(count)), self._most()[0])
        tiles = {
            divmod(column, across): replace(tile, caption=self.columns[column])
            for (_, column), tile in self.tiles.items()
        }
        rows = math.ceil(count / across)
        return replace(self, columns=("",) * across, rows=("",) * rows, tiles=tiles)


@dataclass
class Legend:
    """Texts that no font here can draw: a number stands for each.

    Attributes:
        texts: the texts, in the order of their numbers from 1.
    """

    texts: list[str] = field(default_factory=list)

    def label(self, text: str, size: int) -> Label:
        """Return the label of a text, or of its number."""
        label = Label(text, size)
        if label.drawable:
            return label
        if text not in self.texts:
            self.texts.append(text)
        return Label(f"[{self.texts.index(text) + 1}]", size)


def draw(matrix: Matrix, legend: Legend) -> Image.Image:
    """Return a sheet as an RGB image, of at most 4096 pixels a side.

    Args:
        matrix: what it shows; of a size that fits one sheet (:meth:`Matrix.sheets`).
        legend: gets the texts that cannot be drawn.
    """
    return _Page(matrix, legend).drawn()


class _Page:
    def __init__(self, matrix: Matrix, legend: Legend) -> None:
        self._matrix = matrix
        self.width, self.height = matrix.cell()
        self._gap = _gap(max(self.width, self.height))
        self._size = _letters(self.width)
        self._line = _line(self.width)
        named = [legend.label(text, self._size) for text in (matrix.title, matrix.across, matrix.down)]
        self._title, self._across, self._down = named
        columns = [legend.label(text, self._size) for text in matrix.columns]
        rows = [legend.label(text, self._size) for text in matrix.rows]
        most = min(max(self.width, 120), _HEAD - 2 * self._gap)
        widest = max((label.length(label.text) for label in (*rows, self._down)), default=0)
        self._beside = math.ceil(min(widest, most)) if any(matrix.rows) else 0
        self._columns = [label.wrapped(self.width, _LINES) for label in columns]
        lines = max(self.height // self._line, 1)
        self._rows = [label.wrapped(self._beside, min(lines, 2 * _LINES)) for label in rows]
        self._labels = columns, rows
        self._left = self._gap + (self._beside + self._gap if self._beside else 0)
        self._page_width = self._left + len(columns) * (self.width + self._gap)
        self._titles = self._title.wrapped(self._page_width - 2 * self._gap, 2)
        captions = {place: legend.label(tile.caption, self._size) for place, tile in matrix.tiles.items()}
        self._captions = {place: (label, label.wrapped(self.width, _CAPTION)) for place, label in captions.items()}
        most_lines = max((len(lines) for _, lines in self._captions.values()), default=0)
        self._down_a_row = self.height + self._gap + most_lines * self._line
        self._above = most_lines * self._line

    def drawn(self) -> Image.Image:
        heads = max(map(len, self._columns), default=0)
        named = bool(self._across.text or self._down.text)
        top = self._gap + self._line * (len(self._titles) + named + heads) + self._gap // 2
        rows = len(self._matrix.rows)
        self._top = top
        page = Image.new("RGB", (self._page_width, top + rows * self._down_a_row), PAPER)
        pen = ImageDraw.Draw(page)
        y = self._gap + self._line / 2
        for line in self._titles:
            self._title.draw(pen, self._gap, y, line, INK)
            y += self._line
        if named:
            self._down.draw(pen, self._gap, y, self._down.cut(self._beside), _FAINT)
            self._across.draw(pen, self._left, y, self._across.cut(self._page_width - self._left - self._gap), _FAINT)
        self._headers(pen)
        for (row, column), tile in self._matrix.tiles.items():
            x = self._left + column * (self.width + self._gap)
            label, lines = self._captions[row, column]
            for number, line in enumerate(lines, -len(lines)):
                label.draw(pen, x, self._place(row) + self._line * (number + 0.5) - 2, line, INK)
            self._tile(page, pen, x, self._place(row), tile)
        return page

    def _place(self, row: int) -> int:
        """Return where the images of a row begin."""
        return self._top + row * self._down_a_row + self._above

    def _headers(self, pen: ImageDraw.ImageDraw) -> None:
        columns, rows = self._labels
        for number, (label, lines) in enumerate(zip(columns, self._columns, strict=True)):
            y = self._top - self._gap // 2 - self._line * (len(lines) - 0.5)
            for line in lines:
                label.draw(pen, self._left + number * (self.width + self._gap), y, line, INK)
                y += self._line
        for number, (label, lines) in enumerate(zip(rows, self._rows, strict=True)):
            middle = self._place(number) + self.height / 2
            y = middle - self._line * (len(lines) - 1) / 2
            for line in lines:
                label.draw(pen, self._gap, y, line, INK)
                y += self._line

    def _tile(self, page: Image.Image, pen: ImageDraw.ImageDraw, x: int, y: int, tile: Tile) -> None:
        image, reason = None, tile.reason
        if tile.load is not None:
            try:
                image = fitted(tile.load().convert("RGB"), self.width, self.height)
            except (OSError, ValueError, TcdflowError) as error:
                reason = str(error)
        if image is None or image.size != (self.width, self.height):
            page.paste(MAT, (x, y, x + self.width, y + self.height))
        if image is not None:
            page.paste(image, (x + (self.width - image.width) // 2, y + (self.height - image.height) // 2))
            return
        status = "failed" if tile.status == "done" else tile.status
        across = _CROSS.get(status, _CROSS["missing"])
        right, bottom = x + self.width - 1, y + self.height - 1
        pen.line((x, y, right, bottom), across, 2)
        pen.line((x, bottom, right, y), across, 2)
        label = Label(f"{status}: {reason}" if reason else status, self._size)
        inside = self.width - 2 * (self._gap // 2)
        lines = label.wrapped(inside, max(min(self.height // self._line - 1, 2 * _LINES), 1))
        for number, line in enumerate(lines):
            colour = _WRONG if status == "failed" else INK
            label.draw(pen, x + self._gap // 2, y + self._line * (number + 0.8), line, colour)


def _letters(width: int) -> int:
    return min(max(width // 14, 12), 24)


def _line(width: int) -> int:
    return round(1.4 * _letters(width))


def _gap(side: int) -> int:
    return min(max(side // 24, 8), 24)


def _chunks(count: int, most: int) -> list[range]:
    """Return a row of places in as few parts as may be, of about equal size."""
    parts = math.ceil(count / max(most, 1))
    size = math.ceil(count / parts)
    return [range(start, min(start + size, count)) for start in range(0, count, size)]
