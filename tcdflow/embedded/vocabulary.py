"""What a small model can draw, and what in a prompt is beyond it.

A model that memorised some hundred captions answers any other prompt with an image too, only with a wrong
one. So a prompt is read the way the captions were written, "a SUBJECT on a COLOUR background", and what does
not fit is named. The reading is lenient about case, articles, plurals and words such as "emoji" or "image
of". A model follows the wordings of its captions alone, hence :attr:`Reading.as_trained`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal, Self

from tcdflow.text import in_quotes

_Kind = Literal["subject", "colour", "style", "background", "link", "other"]

_FILLERS: Final = frozenset(
    {"a", "an", "the", "one", "emoji", "icon", "image", "picture", "photo", "drawing", "illustration", "of"}
)
_CONNECTIVES: Final = frozenset({",", ";", "and", "with", "on", "in", "at", "against", "background"})
_MORE_COLOURS: Final = frozenset({"purple", "orange", "brown", "grey", "gray", "violet", "gold", "silver"})
_ONCE: Final = ("subject", "style", "colour", "background")
_IRREGULAR: Final = {"mice": "mouse", "wolves": "wolf", "leaves": "leaf", "cacti": "cactus"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a prompt that the model cannot know.

    Attributes:
        text: the words, in lower case and without articles.
        problem: what is wrong with them, as a clause that follows the quoted text.
        nearest: what the model knows instead, the likeliest first.
    """

    text: str
    problem: str
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        hint = f" (nearest: {', '.join(self.nearest)})" if self.nearest else ""
        return f"{in_quotes(self.text)} {self.problem}{hint}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt as a vocabulary understands it.

    Attributes:
        prompt: as it was given.
        subjects: the names found, in the prompt's order; an image shows one.
        style: how the subject is drawn, or None where it is not said.
        colour: that of the subject, or None where it has its own.
        background: its colour, or None where none is given.
        findings: what the model cannot know.
        as_trained: whether the prompt is worded as a training caption, in any case and with either article. The
            model follows no other wording: to ``emoji`` "the fox" and "foxes" are mush.
    """

    prompt: str
    subjects: tuple[str, ...]
    style: str | None
    colour: str | None
    background: str | None
    findings: tuple[Finding, ...]
    as_trained: bool

    @property
    def caption(self) -> str | None:
        """What the prompt says, in the plainest words of the training captions; None where they have none for it."""
        if self.findings or not self.subjects:
            return None
        return caption(self.subjects[0], self.style, self.colour, self.background)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a model was taught, and in which words.

    Attributes:
        subjects: what an image can show.
        backgrounds: the colours of backgrounds.
        colours: the colours that a caption can give to a subject; none where a subject has its own.
        styles: how a subject can be drawn; none where there is one way only.
        wordings: of captions, with SUBJECT in the place of what is shown.
        grounds: wordings of a background, with SUBJECT in the place of what stands before it, and BACKGROUND.
    """

    subjects: tuple[str, ...]
    backgrounds: tuple[str, ...]
    colours: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ("a SUBJECT",)
    grounds: tuple[str, ...] = ("SUBJECT on a BACKGROUND background",)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ``vocabulary.txt``: sections such as [subjects], one for each attribute, # begins a comment.

        Raises:
            ValueError: [subjects] or [backgrounds] is missing or empty, or a line belongs to no section.
        """
        sections: dict[str, list[str]] = {f"[{field.name}]": [] for field in fields(cls)}
        section: list[str] | None = None
        for line in filter(None, (raw.partition("#")[0].strip() for raw in text.splitlines())):
            if line in sections:
                section = sections[line]
            elif section is None:
                raise ValueError(f"a line of a vocabulary stands below one of {', '.join(sections)}, and not {line!r}")
            else:
                section.append(line)
        if not sections["[subjects]"] or not sections["[backgrounds]"]:
            raise ValueError("a vocabulary names [subjects] and [backgrounds]")
        return cls(**{name.strip("[]"): tuple(lines) for name, lines in sections.items() if lines})

    @property
    def form(self) -> str:
        """What a prompt says, e.g. ``a SUBJECT or a SUBJECT on a COLOUR background``."""
        what = " ".join([*(["[STYLE]"] if self.styles else []), *(["[COLOUR]"] if self.colours else []), "SUBJECT"])
        return f"a {what} or a {what} on a COLOUR background"

    def captions(self) -> tuple[str, ...]:
        """Captions that it was taught: each subject alone and on each background; styles and colours take turns."""
        styles, colours = (None, *self.styles[1:]), (None, *self.colours)
        return tuple(
            caption(
                subject,
                styles[(number + place // 2) % len(styles)],
                colours[(number + place) % len(colours)] if self._takes_colour(subject) else None,
                background,
            )
            for number, subject in enumerate(self.subjects)
            for place, background in enumerate((None, *self.backgrounds))
        )

    def read(self, prompt: str) -> Reading:
        """Find what a prompt names, and whatever else it asks for.

        A prompt with no words asks for nothing, and has no findings.
        """
        words = [word for word in re.findall(r"\w+|[,;]", prompt.lower()) if word not in _FILLERS]
        phrases = list(self._phrases(words))
        named: dict[str, list[str]] = {kind: [text for found, text in phrases if found == kind] for kind in _ONCE}
        findings = [
            Finding(f"{colour} background", "is not one that it knows")
            for colour in named["background"]
            if colour not in self.backgrounds
        ]
        named["background"] = [colour for colour in named["background"] if colour in self.backgrounds]
        for kind, run in groupby(phrases, key=itemgetter(0)):
            if kind == "other":
                findings.append(self._unknown([word for _, word in run], coloured=bool(named["subject"])))
        findings += [
            Finding(" and ".join(texts), f"are more than one {kind}") for kind, texts in named.items() if len(texts) > 1
        ]
        findings += [
            Finding(colour, f"cannot be chosen: a {subject} has its own colour")
            for colour in named["colour"]
            for subject in named["subject"]
            if not self._takes_colour(subject)
        ]
        if prompt.strip() and not named["subject"] and not findings:
            findings.append(Finding(prompt.strip(), "names none of them"))
        style, colour, background = (next(iter(named[kind]), None) for kind in ("style", "colour", "background"))
        worded = len(named["subject"]) == 1 and not findings
        asked = _tokens(prompt)
        return Reading(
            prompt,
            tuple(named["subject"]),
            style,
            colour,
            background,
            tuple(findings),
            worded and asked in self._worded(_what(named["subject"][0], style, colour), background),
        )

    def _worded(self, what: str, background: str | None) -> Iterator[list[str]]:
        """Yield the words of every caption that says this."""
        for wording in self.wordings:
            text = wording.replace("SUBJECT", what)
            for ground in self.grounds if background else ("SUBJECT",):
                yield _tokens(ground.replace("SUBJECT", text).replace("BACKGROUND", background or ""))

    def advice(self, prompt: str, *, model: str) -> str | None:
        """A warning for the author of a prompt that the model will not follow; None where it will.

        It says how to see everything that the model knows where the prompt asks for something else.
        """
        reading = self.read(prompt)
        draws = f"the embedded model {in_quotes(model)} draws one of {len(self.subjects)} subjects"
        if reading.findings:
            also = [
                *([" or ".join(self.styles)] if self.styles else []),
                *([f"in another colour ({', '.join(self.colours)})"] if self.colours else []),
                f"'on a COLOUR background' ({', '.join(self.backgrounds)})",
            ]
            found = "; ".join(map(str, reading.findings))
            return f"{draws}, optionally {', '.join(also)}: {found}; all are listed by: tcdflow ls {model}"
        if reading.caption is not None and not reading.as_trained:
            return f"{draws} and follows only the wording it was trained on; write {in_quotes(reading.caption)}"
        return None

    def nearest(self, text: str) -> tuple[str, ...]:
        """Up to three subjects that share a word with a text or are spelt like it, the likeliest first."""
        words = set(text.split())

        def likeness(subject: str) -> float:
            return len(words & set(subject.split())) + SequenceMatcher(None, text, subject).ratio()

        likely = sorted(((likeness(subject), subject) for subject in self.subjects), reverse=True)
        return tuple(subject for score, subject in likely[:3] if score >= 0.65)

    def _phrases(self, words: list[str]) -> Iterator[tuple[_Kind, str]]:
        before = ""
        while words:
            used, first = 1, words[0]
            subject = self._subject_at_start(words)
            if first in _CONNECTIVES:
                yield "link", first
            elif words[1:2] == ["background"]:
                used = 2
                yield "background", first
            elif subject:
                name, used = subject
                yield "subject", name
            elif before == "on" and first in self.backgrounds and not self._subject_at_start(words[1:]):
                yield "background", first
            elif first in self.styles:
                yield "style", first
            elif first in self.colours:
                yield "colour", first
            else:
                yield "other", first
            words, before = words[used:], first

    def _subject_at_start(self, words: list[str]) -> tuple[str, int] | None:
        """The longest subject with which the words begin, singular or plural, and how many words it takes."""
        known = _known(self.subjects)
        for count in range(min(len(words), max(map(len, known))), 0, -1):
            *first, last = words[:count]
            for number in _singulars(last):
                if subject := known.get((*first, number)):
                    return subject, count
        return None

    def _takes_colour(self, subject: str) -> bool:
        return subject.split()[0] not in {*self.colours, *self.backgrounds}

    def _unknown(self, run: list[str], *, coloured: bool) -> Finding:
        text = " ".join(run)
        if coloured and set(run) <= {*self.backgrounds, *_MORE_COLOURS}:
            return Finding(
                text,
                "is not a colour that it knows" if self.colours else "cannot be chosen: a subject has its own colour",
            )
        return Finding(text, "is not one of them", self.nearest(text))


@cache
def _known(subjects: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    """The subjects by their words, fillers left out."""
    return {tuple(word for word in subject.split() if word not in _FILLERS): subject for subject in subjects}


def caption(subject: str, style: str | None = None, colour: str | None = None, background: str | None = None) -> str:
    """The plain caption of an image, e.g. "a flat blue apple on a pink background"."""
    what = _what(subject, style, colour)
    article = "an" if what[0] in "aeiou" else "a"
    return f"{article} {what}" + (f" on a {background} background" if background else "")


def _what(subject: str, style: str | None, colour: str | None) -> str:
    return " ".join(filter(None, (style, colour, subject)))


def _tokens(text: str) -> list[str]:
    """The words and signs of a text, with one article for both."""
    return ["a" if word == "an" else word for word in re.findall(r"\w+|[^\w\s]", text.lower())]


def _singulars(word: str) -> Iterator[str]:
    """The word itself, then what it may be the plural of."""
    yield word
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
    for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending):
            yield word.removesuffix(ending) + singular
