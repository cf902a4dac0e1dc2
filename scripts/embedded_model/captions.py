"""What the model is taught, and in which words."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tcdflow import embedded

STYLES: Final = ("shaded", "flat")
"""Noto's icons and Fluent's; a caption that names no style means the first."""

BACKGROUNDS: Final = {
    "white": (255, 255, 255),
    "red": (229, 75, 75),
    "blue": (91, 141, 239),
    "green": (103, 194, 115),
    "yellow": (250, 214, 96),
    "pink": (250, 164, 200),
    "black": (24, 24, 30),
}
"""Colours of backgrounds, as RGB; a caption that names none means the first."""

COLOURS: Final = {
    "red": (221, 46, 46),
    "orange": (244, 130, 32),
    "yellow": (250, 200, 40),
    "green": (60, 165, 70),
    "blue": (45, 105, 220),
    "purple": (140, 70, 190),
    "pink": (240, 110, 170),
}
"""Colours that a caption can give to a subject, as RGB of its middle tones."""

WORDINGS: Final = (
    (40, "{article} {what}"),
    (10, "the {what}"),
    (15, "{what}"),
    (8, "{article} {what} emoji"),
    (9, "picture of {article} {what}"),
    (9, "image of {article} {what}"),
    (3, "a picture of {article} {what}"),
    (3, "an image of {article} {what}"),
    (3, "an icon of {article} {what}"),
)
"""How often a caption has which words."""

GROUNDS: Final = (
    (55, "{what} on {article} {ground} background"),
    (20, "{what} on {ground} background"),
    (15, "{what}, {ground} background"),
    (10, "{what} on {ground}"),
)
"""How often a background is told in which words."""

_ICONS: Final = Path(__file__).with_name("subjects.txt")


@dataclass(frozen=True)
class Subject:
    """What an image shows.

    Attributes:
        name: as captions have it.
        icon: its name in both sets of icons.
    """

    name: str
    icon: str

    def colours(self) -> tuple[str, ...]:
        """Return the colours that it can be given: none where its name has one, or is another subject with it."""
        if self.name.split()[0] in {*COLOURS, *BACKGROUNDS}:
            return ()
        return tuple(colour for colour in COLOURS if f"{colour} {self.name}" not in _names())


@dataclass(frozen=True)
class View:
    """One image of the training, as a caption can tell it.

    Attributes:
        subject: what it shows.
        style: one of :data:`STYLES`.
        colour: one of :data:`COLOURS`; None is the icon's own.
        background: one of :data:`BACKGROUNDS`.
    """

    subject: Subject
    style: str
    colour: str | None
    background: str

    def plain(self) -> str:
        """Return the caption in its plain wording."""
        style = self.style if self.style != STYLES[0] else None
        ground = self.background if self.background != "white" else None
        return embedded.caption(self.subject.name, style, self.colour, ground)

    def caption(self, rng: random.Random) -> str:
        """Return a caption in one of the wordings."""
        what = self._what(self.style != STYLES[0] or rng.random() < 0.15)
        text = _one(WORDINGS, rng).format(article=_article(what), what=what)
        if self.background == "white" and rng.random() < 0.75:
            return text
        return _one(GROUNDS, rng).format(what=text, article="a", ground=self.background)

    def _what(self, styled: bool) -> str:
        return " ".join(filter(None, (self.style if styled else "", self.colour, self.subject.name)))


@cache
def subjects() -> tuple[Subject, ...]:
    """Return the subjects of ``subjects.txt``."""
    lines = (line.partition("#")[0].strip() for line in _ICONS.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition(" = ") for line in lines if line)
    return tuple(Subject(name, icon or name.replace(" ", "-")) for name, _, icon in pairs)


def draw(subject: Subject, style: str, rng: random.Random) -> View:
    """Return a random view of a subject: two of five on white, a third in another colour."""
    colours = subject.colours()
    colour = rng.choice(colours) if colours and rng.random() < 0.35 else None
    others = [name for name in BACKGROUNDS if name != "white"]
    return View(subject, style, colour, "white" if rng.random() < 0.4 else rng.choice(others))


@cache
def _names() -> frozenset[str]:
    return frozenset(subject.name for subject in subjects())


def _article(what: str) -> str:
    return "an" if what[0] in "aeiou" else "a"


def _one(weighted: tuple[tuple[int, str], ...], rng: random.Random) -> str:
    return rng.choices([text for _, text in weighted], [weight for weight, _ in weighted])[0]


def words() -> list[str]:
    """Return every word of the captions, once, by the alphabet."""
    texts = [*_names(), *STYLES, *BACKGROUNDS, *COLOURS, *(text for _, text in (*WORDINGS, *GROUNDS)), "an"]
    return sorted({word for text in texts for word in re.findall(r"[a-z]+", re.sub(r"{\w+}", " ", text))})
