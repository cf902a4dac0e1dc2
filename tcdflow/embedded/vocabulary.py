"""What a small model can draw, and what in a prompt is beyond it.

A model that memorised some hundred captions answers any other prompt with an image too, only with a wrong
one. So a prompt is read the way the captions were written, "a SUBJECT on a COLOUR background", and what does
not fit is named. The reading is lenient about case, articles, plurals and words such as "emoji" or "image
of". The model is not, hence :attr:`Reading.as_trained`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal, Self

_Kind = Literal["subject", "background", "link", "other"]

_FILLERS: Final = frozenset(
    {"a", "an", "the", "one", "emoji", "icon", "image", "picture", "photo", "drawing", "illustration", "of"}
)
_CONNECTIVES: Final = frozenset({",", ";", "and", "with", "on", "in", "at", "against", "background"})
_MORE_COLOURS: Final = frozenset({"purple", "orange", "brown", "grey", "gray", "violet", "gold", "silver"})
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
        return f"{self.text!r} {self.problem}{hint}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt as a vocabulary understands it.

    Attributes:
        prompt: as it was given.
        subjects: the names found, in the prompt's order; an image shows one.
        colour: that of the background, or None where none is given.
        findings: what the model cannot know.
    """

    prompt: str
    subjects: tuple[str, ...]
    colour: str | None
    findings: tuple[Finding, ...]

    @property
    def caption(self) -> str | None:
        """What the prompt says, in the words of the training captions; None where they have none for it."""
        if self.findings or not self.subjects:
            return None
        return _caption(self.subjects[0], self.colour)

    @property
    def as_trained(self) -> bool:
        """Whether the prompt is such a caption, in any case and with either article.

        The model follows no other wording: "the fox", "foxes" and "image of a fox" come out as mush, and
        "a fox, green background" is a fox on white.
        """
        if self.caption is None:
            return False
        article, *words = self.prompt.lower().split()
        return article in {"a", "an"} and words == self.caption.split()[1:]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The subjects and the background colours that a model was taught."""

    subjects: tuple[str, ...]
    colours: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ``vocabulary.txt``: sections [colours] and [subjects], one name a line, comments after #.

        Raises:
            ValueError: a section is missing or empty, or a line belongs to neither.
        """
        sections: dict[str, list[str]] = {"": [], "[colours]": [], "[subjects]": []}
        section = ""
        for line in filter(None, (raw.partition("#")[0].strip() for raw in text.splitlines())):
            if line in sections:
                section = line
            else:
                sections[section].append(line)
        stray, colours, subjects = sections.values()
        if stray or not colours or not subjects:
            raise ValueError(f"a vocabulary names [colours] and [subjects], and nothing before them: {stray}")
        return cls(tuple(subjects), tuple(colours))

    def captions(self) -> tuple[str, ...]:
        """Every caption that the model was taught: each subject alone, and on each background."""
        return tuple(_caption(subject, colour) for subject in self.subjects for colour in (None, *self.colours))

    def read(self, prompt: str) -> Reading:
        """Find the subject and the background that a prompt names, and whatever else it asks for.

        A prompt with no words asks for nothing, and has no findings.
        """
        words = [word for word in re.findall(r"\w+|[,;]", prompt.lower()) if word not in _FILLERS]
        phrases = list(self._phrases(words))
        subjects = [text for kind, text in phrases if kind == "subject"]
        backgrounds = [text for kind, text in phrases if kind == "background"]
        colours = [colour for colour in backgrounds if colour in self.colours]
        findings = [
            Finding(f"{colour} background", "is not one that it knows")
            for colour in backgrounds
            if colour not in self.colours
        ]
        for kind, run in groupby(phrases, key=itemgetter(0)):
            if kind == "other":
                findings.append(self._unknown([word for _, word in run], coloured=bool(subjects)))
        if len(subjects) > 1:
            findings.append(Finding(" and ".join(subjects), "are more than one subject"))
        if len(colours) > 1:
            findings.append(Finding(" and ".join(colours), "are more than one background"))
        if prompt.strip() and not subjects and not findings:
            findings.append(Finding(prompt.strip(), "names none of them"))
        return Reading(prompt, tuple(subjects), colours[0] if colours else None, tuple(findings))

    def advice(self, prompt: str, *, model: str) -> str | None:
        """A warning for the author of a prompt that the model will not follow; None where it will.

        It says how to see everything that the model knows where the prompt asks for something else.
        """
        reading = self.read(prompt)
        draws = f"the embedded model {model!r} draws one of {len(self.subjects)} subjects"
        if reading.findings:
            found = "; ".join(map(str, reading.findings))
            return (
                f"{draws}, optionally 'on a COLOUR background' ({', '.join(self.colours)}): {found}; "
                f"all are listed by: tcdflow ls {model}"
            )
        if reading.subjects and not reading.as_trained:
            return f"{draws} and follows only the wording it was trained on; write {reading.caption!r}"
        return None

    def nearest(self, text: str) -> tuple[str, ...]:
        """Up to three subjects that share a word with a text or are spelt like it, the likeliest first."""
        words = set(text.split())

        def likeness(subject: str) -> float:
            return len(words & set(subject.split())) + SequenceMatcher(None, text, subject).ratio()

        likely = sorted(((likeness(subject), subject) for subject in self.subjects), reverse=True)
        return tuple(subject for score, subject in likely[:3] if score >= 0.65)

    def _phrases(self, words: list[str]) -> Iterator[tuple[_Kind, str]]:
        while words:
            used = 1
            if words[0] in _CONNECTIVES:
                yield "link", words[0]
            elif words[1:2] == ["background"]:
                used = 2
                yield "background", words[0]
            elif subject := self._subject_at_start(words):
                used = len(subject.split())
                yield "subject", subject
            else:
                yield "other", words[0]
            words = words[used:]

    def _subject_at_start(self, words: list[str]) -> str | None:
        """The longest subject with which the words begin, in the singular or the plural."""
        known = frozenset(self.subjects)
        for count in range(max(len(subject.split()) for subject in known), 0, -1):
            *first, last = words[:count]
            for number in _singulars(last):
                if (phrase := " ".join([*first, number])) in known:
                    return phrase
        return None

    def _unknown(self, run: list[str], *, coloured: bool) -> Finding:
        text = " ".join(run)
        if coloured and set(run) <= {*self.colours, *_MORE_COLOURS}:
            return Finding(text, "cannot be chosen: a subject has its own colour")
        return Finding(text, "is not one of them", self.nearest(text))


def _caption(subject: str, colour: str | None) -> str:
    article = "an" if subject[0] in "aeiou" else "a"
    return f"{article} {subject}" + (f" on a {colour} background" if colour else "")


def _singulars(word: str) -> Iterator[str]:
    """The word itself, then what it may be the plural of."""
    yield word
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
    for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending):
            yield word.removesuffix(ending) + singular
