"""Labels on sheets: any text on lines of a width, cut with an ellipsis."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from PIL import ImageDraw

from tcdflow.record.fonts import PILLOWS, Face, faces

Colour = tuple[int, int, int]

ELLIPSIS = "…"
_MOST = 1000
"""Letters of a text that are looked at: no label shows more."""
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Thai and Lao, kana, and Chinese characters."""
_DROPPED = ("Cf", "Cs", "Co", "Cn")


class Label:
    """A text to be drawn.

    Args:
        text: any, on any number of lines.
        size: of its letters in pixels.

    Attributes:
        text: as it is drawn.
        drawable: whether there are fonts for all its letters; question marks stand for those of another text.
    """

    def __init__(self, text: str, size: int) -> None:
        self.text = clean(text)
        self.size = size
        found = faces(self.text + ELLIPSIS)
        self.drawable = found is not None
        if found is None:
            self.text = "".join(letter if PILLOWS.has(letter) else "?" for letter in self.text)
        self._faces = found or (PILLOWS,)

    def parts(self, line: str) -> Iterator[tuple[Face, str]]:
        """Yield the parts of a line, each with its font."""
        if len(self._faces) == 1:
            yield self._faces[0], line
            return
        for face, clusters in itertools.groupby(_clusters(line), key=lambda cluster: self._face(cluster[0])):
            yield face, "".join(clusters)

    def length(self, line: str) -> float:
        """Return the width of a line in pixels."""
        return sum(face.font(self.size).getlength(part) for face, part in self.parts(line))

    def cut(self, width: float, text: str | None = None) -> str:
        """Return as much of the text as a width in pixels holds, with an ellipsis where that is not all."""
        text = self.text if text is None else text
        if self.length(text) <= width:
            return text
        clusters = list(_clusters(text))
        few, many = 0, len(clusters)
        while few < many:
            middle = (few + many + 1) // 2
            if self.length("".join(clusters[:middle]) + ELLIPSIS) <= width:
                few = middle
            else:
                many = middle - 1
        return "".join(clusters[:few]) + ELLIPSIS if few else ""

    def wrapped(self, width: float, lines: int) -> list[str]:
        """Return the text on at most so many lines of a width in pixels; the last one is cut."""
        found: list[str] = []
        rest = list(_words(self.text))
        while rest and len(found) < lines - 1:
            count = self._fitting(rest, width)
            if not count:  # a word that is wider than a line
                rest[:1] = _clusters(rest[0])
                count = max(self._fitting(rest, width), 1)
            found.append("".join(rest[:count]).strip())
            rest = rest[count:]
            while rest and rest[0].isspace():
                del rest[0]
        if rest:
            found.append(self.cut(width, "".join(rest).strip()))
        return [line for line in found if line]

    def _fitting(self, parts: list[str], width: float) -> int:
        count, line = 0, ""
        while count < len(parts) and self.length((line + parts[count]).rstrip()) <= width:
            line += parts[count]
            count += 1
        return count

    def draw(self, draw: ImageDraw.ImageDraw, x: float, y: float, line: str, fill: Colour) -> None:
        """Draw a line from ``x`` on, its middle at the height ``y``."""
        parts = list(self.parts(line))
        if len(parts) == 1:
            face, part = parts[0]
            draw.text((x, y), part, fill=fill, font=face.font(self.size), anchor="lm")
            return
        for face, part in parts[::-1] if _from_right(line) else parts:
            font = face.font(self.size)
            draw.text((x, y + 0.35 * self.size), part, fill=fill, font=font, anchor="ls")
            x += font.getlength(part)

    def _face(self, letter: str) -> Face:
        return next((face for face in self._faces if face.has(letter)), self._faces[0])


def clean(text: str) -> str:
    """Return a text on one line, of bounded length, without control and direction characters."""
    kept = _SELECTORS.sub("", text[: 2 * _MOST])
    letters = (c if c.isprintable() or c in "\u200c\u200d" else "" if _drops(c) else " " for c in kept)
    return " ".join("".join(letters).split())[:_MOST]


def _drops(letter: str) -> bool:
    return unicodedata.category(letter) in _DROPPED


def _clusters(text: str) -> Iterator[str]:
    """Yield the letters of a text, each with the marks and joiners that follow it."""
    cluster = ""
    for letter in text:
        joined = unicodedata.category(letter) in ("Mn", "Mc", "Me") or letter in "\u200c\u200d"
        if cluster and not joined and not cluster.endswith("\u200d"):
            yield cluster
            cluster = ""
        cluster += letter
    if cluster:
        yield cluster


def _words(text: str) -> Iterator[str]:
    """Yield what a line may be broken between: words, spaces, and each letter of scripts that set none."""
    for word in re.findall(r"\s+|\S+", text):
        yield from _clusters(word) if _UNSPACED.search(word) else (word,)


def _from_right(line: str) -> bool:
    """Say whether a line runs from right to left: its first letter that has a direction does."""
    directions = (unicodedata.bidirectional(letter) for letter in line)
    return next((d in ("R", "AL") for d in directions if d in ("L", "R", "AL")), False)
