r"""Prompts with gaps: ``{red|blue}`` is one of its options, ``__animals__`` a line of ``animals.txt`` of a folder.

Options and lines may have gaps of their own. ``\{``, ``\|``, ``\}`` and ``\_`` are the characters themselves, and
braces without ``|`` are text. A pattern stands for several texts, each of which has a number: all of them, or a sample
without repetition, are made from these numbers.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.prompts import rows

MAX_TEXTS = 1_000_000
MAX_LENGTH = 20_000
MAX_BYTES = 4_000_000
MAX_DEPTH = 40

_WORD = r"(?:[^\W_]|-)+(?:_(?:[^\W_]|-)+)*"
_PIECE = re.compile(
    rf"\\(?P<escaped>[{{}}|_\\])|__(?P<file>{_WORD}(?:/{_WORD})*)__|(?P<mark>[{{}}|])|(?P<plain>[^\\_{{}}|]+|.)",
    re.DOTALL,
)
_OTHERS = re.compile(r"\$\$|::")


@dataclass(frozen=True)
class Text:
    """Words that stand as they are."""

    text: str

    @property
    def count(self) -> int:
        """One text."""
        return 1

    @property
    def longest(self) -> int:
        """Its length."""
        return len(self.text)

    def nth(self, number: int) -> str:
        """Return the text."""
        return self.text


@dataclass(frozen=True)
class Joined:
    """Patterns one after the other."""

    parts: tuple[Pattern, ...]

    @cached_property
    def count(self) -> int:
        """Number of texts."""
        return math.prod(part.count for part in self.parts)

    @cached_property
    def longest(self) -> int:
        """Characters of the longest of them."""
        return sum(part.longest for part in self.parts)

    def nth(self, number: int) -> str:
        """Return one of the texts; the last gap changes fastest."""
        found: list[str] = []
        for part in reversed(self.parts):
            number, own = divmod(number, part.count)
            found.append(part.nth(own))
        return "".join(reversed(found))


@dataclass(frozen=True)
class Choice:
    """One of several patterns."""

    options: tuple[Pattern, ...]

    @cached_property
    def count(self) -> int:
        """Number of texts."""
        return sum(option.count for option in self.options)

    @cached_property
    def longest(self) -> int:
        """Characters of the longest of them."""
        return max(option.longest for option in self.options)

    def nth(self, number: int) -> str:
        """Return one of the texts, in the order of the options."""
        for option in self.options:
            if number < option.count:
                return option.nth(number)
            number -= option.count
        raise IndexError(number)


Pattern = Text | Joined | Choice


@dataclass
class Wildcards:
    """Fills the gaps of prompts.

    Args:
        folder: of the files; None if there are none.
    """

    folder: Path | None = None
    _files: dict[str, Pattern] = field(default_factory=dict, repr=False)
    _open: list[str] = field(default_factory=list, repr=False)

    def texts(self, prompt: str, count: int | None, seed: int) -> list[str]:
        """Return what a prompt can become.

        Args:
            prompt: with gaps or without.
            count: how many to draw, each as likely as the others and none twice; None returns all.
            seed: of the draw.

        Raises:
            SourceError: if a file is missing or leads back to itself, or the texts are too many or too long.
        """
        pattern = self._parse(prompt, 0)
        if pattern.longest > MAX_LENGTH:
            raise SourceError(f"makes texts of more than {MAX_LENGTH} characters")
        made = pattern.count if count is None else min(count, pattern.count)  # not before its length is known
        if made == pattern.count:
            if made > MAX_TEXTS:
                shown = f"{pattern.count:,}" if pattern.count < 10**15 else "more than 10^15"
                raise SourceError(f"makes {shown} prompts; sweep.wildcards.count=N draws N of them")
            return [pattern.nth(number) for number in range(made)]
        return [pattern.nth(number) for number in _drawn(pattern.count, made, random.Random(f"{seed} {prompt}"))]

    def _parse(self, text: str, depth: int) -> Pattern:
        if depth > MAX_DEPTH:
            raise SourceError(f"nests deeper than {MAX_DEPTH}")
        pieces = list(_PIECE.finditer(text))
        pattern, at = self._sequence(pieces, 0, depth, within=False)
        assert at == len(pieces)
        return pattern

    def _sequence(self, pieces: list[re.Match[str]], at: int, depth: int, *, within: bool) -> tuple[Pattern, int]:
        """Read up to the end, or within braces up to the ``|`` or ``}`` that ends an option."""
        if depth > MAX_DEPTH:
            raise SourceError(f"nests deeper than {MAX_DEPTH}")
        parts: list[Pattern] = []
        while at < len(pieces):
            piece = pieces[at]
            if within and piece["mark"] in ("|", "}"):
                break
            if piece["file"]:
                parts.append(self._file(piece["file"], depth))
            elif piece["mark"] == "{":
                choice, at = self._choice(pieces, at + 1, depth + 1)
                parts.append(choice)
            else:
                parts.append(Text(piece["escaped"] or piece[0]))
            at += 1
        return Joined(tuple(_merged(parts))), at

    def _choice(self, pieces: list[re.Match[str]], at: int, depth: int) -> tuple[Pattern, int]:
        """Read the options behind a brace; what is not closed, or has one option alone, is text."""
        options: list[Pattern] = []
        start = at
        while True:
            option, at = self._sequence(pieces, at, depth, within=True)
            options.append(option)
            if at == len(pieces):
                raise SourceError("has a { that is not closed; \\{ is the character itself")
            if pieces[at]["mark"] == "}":
                break
            at += 1
        if other := _OTHERS.search("".join(piece[0] for piece in pieces[start:at])):
            raise SourceError(f"has {other[0]} within braces, which is not read; options are written {{a|b}}")
        return (Choice(tuple(options)) if options[1:] else Joined((Text("{"), options[0], Text("}")))), at

    def _file(self, name: str, depth: int) -> Pattern:
        if name in self._files:
            return self._files[name]
        if self.folder is None:
            raise SourceError(f"has __{name}__; sweep.wildcards.folder=DIR says where {name}.txt is")
        if name in self._open:
            raise _NamedError(f"__{name}__ leads back to itself: {' -> '.join([*self._open, name])}")
        self._open.append(name)
        try:
            path = (self.folder / f"{name}.txt").resolve()
            if not path.is_relative_to(self.folder.resolve()):
                raise SourceError("lies outside of the folder")
            options = tuple(self._parse(line, depth + 1) for _, line in rows.lines(rows.text_of(path, MAX_BYTES)))
            if not options:
                raise SourceError("holds no line")
        except _NamedError:
            raise
        except SourceError as error:
            raise _NamedError(f"__{name}__ {error}") from None
        finally:
            self._open.pop()
        self._files[name] = Choice(options)
        return self._files[name]


class _NamedError(SourceError):
    """What is wrong with a file, with its name."""


def _merged(parts: list[Pattern]) -> Iterator[Pattern]:
    """Yield parts with neighbouring words as one."""
    words = ""
    for part in parts:
        if isinstance(part, Text):
            words += part.text
            continue
        if words:
            yield Text(words)
            words = ""
        yield part
    if words:
        yield Text(words)


def _drawn(total: int, count: int, chance: random.Random) -> list[int]:
    """Return different numbers below a total, which may be huge, in their order."""
    if total <= 4 * count:
        return sorted(chance.sample(range(total), count))
    found: set[int] = set()
    while len(found) < count:
        found.add(chance.randrange(total))
    return sorted(found)
