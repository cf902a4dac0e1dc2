"""Fonts for any script: Pillow's own where it has the letters, else those of the system that fontconfig finds."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont, features

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_JOINERS = "\u200c\u200d"
_NO_LETTER = "\uffff"
_MOST_ASKED = 200
"""Letters that fontconfig is asked for at once."""
_MOST_FACES = 6
_SECONDS = 10.0


@dataclass(frozen=True)
class Face:
    """A font of any size.

    Attributes:
        path: its file; empty for Pillow's own.
        index: its number in the file.
        starts: first code point of each range that it has, rising.
        ends: the last of each range.
    """

    path: str = ""
    index: int = 0
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def has(self, letter: str) -> bool:
        """Say whether it has a glyph for a letter."""
        if letter in _JOINERS:
            return True
        if not self.path:
            return _pillow_has(letter)
        place = bisect_right(self.starts, ord(letter)) - 1
        return place >= 0 and ord(letter) <= self.ends[place]

    def font(self, size: int) -> Font:
        """Return it at a size in pixels."""
        return _font(self.path, self.index, size)


PILLOWS = Face()


@lru_cache(maxsize=4096)
def faces(text: str) -> tuple[Face, ...] | None:
    """Return the fonts that a text is drawn with: of each letter the first that has it.

    One font for all of it is preferred, since only within one font letters join and run from right to left.

    Args:
        text: without control characters.

    Returns:
        None if there is no font on this machine for one of the letters, or nothing that sets its script (raqm).
    """
    letters = frozenset(text)
    if all(map(PILLOWS.has, letters)):
        return (PILLOWS,)
    if not features.check("raqm") and any(map(_is_set, letters)):
        return None
    whole = face_of(letters)
    if whole is not None and all(map(whole.has, letters)):
        return (whole,)
    found = [PILLOWS]
    while missing := frozenset(letter for letter in letters if not any(face.has(letter) for face in found)):
        face = face_of(missing) or face_of(frozenset(min(missing)))
        if face is None or len(found) > _MOST_FACES or not any(map(face.has, missing)):
            return None
        found.append(face)
    return tuple(found)


def _is_set(letter: str) -> bool:
    """Say whether a letter stands elsewhere, or looks otherwise, than where and how it is written."""
    return unicodedata.category(letter) in ("Mn", "Mc") or unicodedata.bidirectional(letter) in ("R", "AL", "AN")


@lru_cache(maxsize=256)
def face_of(letters: frozenset[str]) -> Face | None:
    """Return the font that fontconfig proposes for letters; it may lack some of them. None if there is none."""
    command = shutil.which("fc-match")
    if command is None:
        return None
    points = " ".join(f"{ord(letter):x}" for letter in sorted(letters)[:_MOST_ASKED])
    pattern = f"sans-serif:charset={points}:scalable=true:color=false"
    try:
        answer = subprocess.run(
            [command, "--format", "%{file}\n%{index}\n%{charset}", pattern],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        path, index, charset = answer.stdout.split("\n", 2)
        ranges = sorted(_ranges(charset.split()))
        face = Face(path, int(index) & 0xFFFF, tuple(r[0] for r in ranges), tuple(r[1] for r in ranges))
        face.font(16)
    except (OSError, ValueError, subprocess.SubprocessError):  # no such font, or a kind that Pillow cannot draw
        return None
    return face


def _ranges(words: Iterable[str]) -> Iterable[tuple[int, int]]:
    for word in words:
        first, _, last = word.partition("-")
        yield int(first, 16), int(last or first, 16)


@lru_cache(maxsize=64)
def _font(path: str, index: int, size: int) -> Font:
    return ImageFont.truetype(path, size, index) if path else ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _pillow_has(letter: str) -> bool:
    """Pillow tells no font's letters: one that it lacks looks like one that nobody has."""
    font = PILLOWS.font(20)
    drawn, none = font.getmask(letter), font.getmask(_NO_LETTER)
    return (drawn.size, bytes(drawn)) != (none.size, bytes(none))
