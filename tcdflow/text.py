"""Text for people: on one line, safe for a terminal, without secrets, and of bounded length."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TextIO, cast

SECRET = re.compile(r"token|secret|passw|signature|credential|auth|api[-_]?key|session|^(sig|key|pwd|jwt|sas)$", re.I)
"""Names of parameters of a URL whose values are secret."""

_LOGIN = re.compile(r"(:/{1,2})[^/?#\s]*@")  # a path has one slash of a URL's two
_PARAMETER = re.compile(r"(?<=[?&])([^=&?#\s]+)=[^&#\s'\"\]]*")

_ADVICE = re.compile(r"\binstall(ed|ing|ation)?\b", re.I)


def printable(text: str) -> str:
    """Return text with control characters escaped, so that an untrusted name cannot drive a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Return text with control characters and line breaks escaped: nothing of it is lost."""
    return printable(text).replace("\n", "\\n")


def joined(text: str, most: int = 600) -> str:
    """Return a message on one line of at most ``most`` characters: white space of any kind becomes one space."""
    return shortened(printable(" ".join(text[: 2 * most].split())), most)


def in_quotes(text: str, most: int = 200) -> str:
    """Return a piece of somebody's text within a message, as :func:`joined` has it, in single quotes."""
    return f"'{joined(text, most)}'"


def about(path: object, what: str) -> str:
    """Return ``<path>: <what>`` on one line: the path as it is, the rest as :func:`joined` has it."""
    return f"{one_line(str(path))}: {joined(what)}"


def reason(error: BaseException, most: int = 300) -> str:
    """Return what an exception says, as :func:`joined` does; the name of its type where it says nothing."""
    return joined(str(error), most) or type(error).__name__


def library_reason(error: Exception) -> str:
    """Return what a library says of untrusted files, without advice to install what these ask for."""
    asks = isinstance(error, ImportError) or _ADVICE.search(str(error)) is not None
    return "its files ask for a package, which files may not choose" if asks else reason(error)


def first_line(message: str | BaseException) -> str:
    """Return the first line of a message, or of what an exception says, or the name of its type if that is nothing."""
    lines = str(message).strip().splitlines()
    return lines[0] if lines else type(message).__name__ if isinstance(message, BaseException) else ""


def shortened(text: str, most: int) -> str:
    """Return at most ``most`` characters of a text, with dots where it was longer."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def any_of(words: Iterable[str]) -> str:
    """Return words as ``A, B or C``, each once, by the alphabet."""
    *most, last = sorted(set(words), key=str.lower)
    return f"{', '.join(most)} or {last}" if most else last


def slug(text: str, most: int) -> str:
    """Return text as a part of a file's name: letters and digits of every script, ``. = + _ -``, else one hyphen.

    Args:
        text: any; a minus sign before a number stays.
        most: characters that are kept, and half of the bytes.
    """
    kept = "".join(c if _names(c) else "\0" for c in unicodedata.normalize("NFC", text))
    joined = re.sub(r"\0*-\0*|\0+", "-", re.sub(r"\0*([_=])\0*", r"\1", kept.strip("\0")))
    joined = re.sub(r"(?<=[_=])-+(?![\d.])", "", joined)[:most]
    return joined.encode()[: 2 * most].decode(errors="ignore").strip("._=+").rstrip("-")


@lru_cache(maxsize=4096)
def _names(character: str) -> bool:
    return character in ".=+_-" or unicodedata.category(character)[0] in "LMN"


def has_half_character(text: str) -> bool:
    """Say whether text holds half of a surrogate pair, as YAML and JSON can, which no file's name can hold."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def counted(count: int, what: str) -> str:
    """Return ``1 cell``, ``2 cells``."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def unsigned(text: str) -> str:
    """Return text without the user names, passwords and tokens of the URLs in it."""
    return _PARAMETER.sub(lambda m: f"{m[1]}=***" if SECRET.search(m[1]) else m[0], _LOGIN.sub(r"\1", text))


class PrintableFormatter(logging.Formatter):
    """Formats the lines of a log, which may end in a terminal too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text."""
        return printable(super().format(record))


def rewritten(stream: TextIO, change: Callable[[str], str]) -> TextIO:
    """Return a stream that writes into another one what ``change`` makes of each text."""
    return cast("TextIO", _Rewritten(stream, change))


class _Rewritten:
    def __init__(self, stream: TextIO, change: Callable[[str], str]) -> None:
        self._stream = stream
        self._change = change

    def write(self, text: str) -> int:
        self._stream.write(self._change(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
