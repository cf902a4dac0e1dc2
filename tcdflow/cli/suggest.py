"""Suggests the nearest command, group or key for a word that is neither a command nor an override."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tcdflow.cli.verbs import VERBS
from tcdflow.config.places import groups
from tcdflow.errors import Problem
from tcdflow.record import document
from tcdflow.spec.formats import all_formats
from tcdflow.spec.nearest import nearest
from tcdflow.spec.paths import at_home, is_there
from tcdflow.sweeps import plan as plans
from tcdflow.text import one_line, shortened, unsigned

_WHAT = "unknown command or override"
_LIKE = 0.7
"""How like a bare word has to be to what it may mean: it may mean nothing, too."""
_TEXTS = ("prompt=", "negative_prompt=")


@dataclass(frozen=True)
class UnknownWord(Problem):
    """A word on the command line that means nothing."""

    def __str__(self) -> str:
        word = shortened(unsigned(self.key), 200)
        meant = f"; did you mean {self.nearest}?" if self.nearest else ""
        return one_line(f"{self.what} '{word}'{meant}")


def unknown_words(words: Sequence[str], argv: Sequence[str], *, first: bool) -> list[Problem]:
    """Return a problem for each word that is not an override.

    Args:
        words: what was given as overrides.
        argv: the same with the flags.
        first: whether they began the command, where a verb would stand.
    """
    if meant := _prompt(words):
        return [UnknownWord(" ".join(words), _WHAT, nearest=meant)]
    return [
        _problem(words, place, argv, first=first and place == 0)
        for place, word in enumerate(words)
        if "=" not in word and not word.startswith("~")
    ]


def _problem(words: Sequence[str], place: int, argv: Sequence[str], *, first: bool) -> Problem:
    word = words[place]
    if word in VERBS:  # a command stands first, before flags too
        command = " ".join(["tcdflow", word, *(shlex.quote(other) for other in argv if other != word)])
        return UnknownWord(word, "unknown override", nearest=f"'{command}'")
    if meant := _by_path(word):
        return UnknownWord(word, _WHAT, nearest=meant)
    if first:
        known = _names() | {verb: f"'{verb}'" for verb in VERBS}
        return UnknownWord(word, _WHAT, nearest=_nearest(word, known))
    text = next((other for other in reversed(words[:place]) if "=" in other), "")
    if text.startswith(_TEXTS):  # a prompt without quotes, which the shell has taken apart
        whole = " ".join(words[words.index(text) : place + 1])
        return UnknownWord(word, _WHAT, nearest=f"{shlex.quote(whole)}, in quotes")
    return UnknownWord(word, _WHAT, nearest=_nearest(word, _names()))


def _by_path(word: str) -> str | None:
    """Return the command for what a path leads to: a run, a sweep, an image."""
    path = at_home(word)
    if not is_there(path):
        return None
    sweep = (path / plans.FILE_NAME).is_file() or path.name == plans.FILE_NAME
    if sweep:
        return f"'tcdflow resume {shlex.quote(str(path if path.is_dir() else path.parent))}'"
    if (path / document.FILE_NAME).is_file() or path.suffix.lower() in _made():
        return f"'tcdflow rerun {shlex.quote(word)}'"
    return f"'--config-dir {shlex.quote(word)}'" if any((path / group).is_dir() for group in groups()) else None


def _made() -> set[str]:
    """Return the suffixes of images, animations and records."""
    return {".json"}.union(*((format.suffix, *format.other_suffixes) for format in all_formats()))


def _prompt(words: Sequence[str]) -> str | None:
    """Return words that look like a prompt as one: several of them that are like no key, or one with blanks."""
    text = " ".join(words)
    if " " not in text or any("=" in word for word in words) or not {".", "/"}.isdisjoint(text):
        return None
    if any(_nearest(word, _names() | dict.fromkeys(VERBS, "")) is not None for word in words):
        return None
    return f"{shlex.quote(f'prompt={text}')}, in quotes"


def _names() -> dict[str, str]:
    """Return groups and keys, and the last words of keys, each with how it would be written."""
    # Late, since pydantic builds the models, which a right command need not wait for.
    from tcdflow.cli.keytable import by_last_word, table

    last = {word: f"'{key}=...'" for word, key in by_last_word().items()}
    return last | {name: f"'{name}=...'" for name in (*(key.name for key in table()), *groups())}


def _nearest(word: str, known: Mapping[str, str]) -> str | None:
    found = nearest(word, known, _LIKE)
    return known[found] if found else None
