"""Completions at the cursor of a command line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tcdflow.cli.verbs import VERBS
from tcdflow.cli.words import Word, Words, words
from tcdflow.config import places

NAME = "NAME"
_QUOTED = re.compile(r"[^\w@%+=:,./~\[\]{}-]")


def at_cursor(line: str, breaks: str = "", *, escaped: bool = False) -> list[str]:
    """Return what the word at the end of a line can become; what is whole ends in a blank.

    Args:
        line: up to the cursor, the command first.
        breaks: characters after which the shell takes a new word to begin, such as bash's ``COMP_WORDBREAKS``.
        escaped: whether to escape what the shell would read another meaning into.
    """
    before, word, quote = _split(line)
    if not before:
        return []
    found = sorted(dict.fromkeys(_Line(tuple(before[1:]), words()).complete(word)))
    if quote:
        return [one.rstrip(" ") for one in found]
    cut = max((word.rfind(mark) for mark in breaks if mark in "=:@"), default=-1) + 1
    rest = [(one[cut:].rstrip(" "), " " * one.endswith(" ")) for one in found]
    return [(_QUOTED.sub(r"\\\g<0>", text) if escaped else text) + blank for text, blank in rest]


def _split(line: str) -> tuple[list[str], str, str]:
    """Return the finished words of a line, the unfinished one, and the quote that it is within."""
    done: list[str] = []
    word, quote, begun, escape = "", "", False, False
    for mark in line:
        if escape:
            word, escape = word + mark, False
        elif mark == "\\" and quote != "'":
            begun = escape = True
        elif quote:
            word, quote = (word, "") if mark == quote else (word + mark, quote)
        elif mark in "'\"":
            begun, quote = True, mark
        elif mark.isspace():
            if begun:
                done.append(word)
            word, begun = "", False
        else:
            word, begun = word + mark, True
    return done, word, quote


@dataclass(frozen=True)
class _Line:
    """The words before the one that is completed."""

    before: tuple[str, ...]
    known: Words

    @cached_property
    def verb(self) -> str:
        return self.before[0] if self.before and self.before[0] in VERBS else ""

    @cached_property
    def flags(self) -> dict[str, Word]:
        return {flag.name: flag for flag in self.known.flags[self.verb]}

    @cached_property
    def own(self) -> tuple[Path, ...]:
        """The user's own config directory, if the line names one."""
        given = [
            Path(value).expanduser()
            for flag, value in zip(self.before, self.before[1:], strict=False)
            if flag in ("--config-dir", "-cd")
        ]
        return tuple(path for path in given if path.is_dir())

    @cached_property
    def sweeping(self) -> bool:
        return not {"-m", "--multirun"}.isdisjoint(self.before)

    def complete(self, word: str) -> Iterator[str]:
        """Yield the whole words that a word can become."""
        flag = self._flag()
        if flag is not None and not (flag.several and word.startswith("-")):
            yield from _paths(word) if flag.place else _whole(flag.values, word)
        elif word.startswith("-"):
            yield from _whole(self.flags, word)
        else:
            for kind in self._kinds():
                yield from _KINDS[kind](self, word)

    def _flag(self) -> Word | None:
        """Return the flag whose value stands here."""
        places = [place for place, word in enumerate(self.before) if word.startswith("-")]
        flag = self.flags.get(self.before[places[-1]]) if places else None
        if flag is None or not flag.takes:
            return None
        return flag if flag.several or places[-1] == len(self.before) - 1 else None

    def _kinds(self) -> tuple[str, ...]:
        """Return the kinds of words that may stand here."""
        if not self.verb:
            return ("overrides",) if self.before else ("verbs", "overrides")
        verb = VERBS[self.verb]
        flags = [word for word in self.before[1:] if word.startswith("-")]
        return verb.takes if len(flags) == len(self.before) - 1 else verb.then

    def verbs(self, word: str) -> Iterator[str]:
        yield from _whole(VERBS, word)

    def choices(self, word: str) -> Iterator[str]:
        yield from _whole(self.known.choices[self.verb], word)

    def groups(self, word: str) -> Iterator[str]:
        yield from _whole(places.groups(*self.own), word)

    def runs(self, word: str) -> Iterator[str]:
        yield from _paths(word)

    def keys(self, word: str) -> Iterator[str]:
        """Yield keys, and the parts that hold keys, ending in a dot."""
        yield from _steps(self._names(), word, " ")

    def overrides(self, word: str) -> Iterator[str]:
        """Yield overrides: keys and groups up to their ``=``, and values after it."""
        signs = word[: len(word) - len(word.lstrip("+~"))]
        key, equals, value = word[len(signs) :].partition("=")
        if equals:
            yield from (f"{signs}{key}={one}" for one in self._values(key, value))
            return
        ends = " " if "~" in signs else "="
        yield from (f"{signs}{one}" for one in _steps(self._names(), key, ends))
        chosen = (*places.groups(*self.own), *self.known.plugins)
        yield from (f"{signs}{group}{ends}" for group in chosen if group.startswith(key))
        if word and not signs:  # a YAML that is run by its path
            yield from (path for path in _paths(word) if _leads_to_yaml(path, word))

    def _names(self) -> Iterator[str]:
        """Yield the names of all keys, with the names of LoRAs and adapters filled in."""
        for key in self.known.keys:
            part, _, rest = key.name.partition(f".{NAME}.")
            yield from (f"{part}.{name}.{rest}" for name in self._entries[part]) if rest else (key.name,)

    @cached_property
    def _entries(self) -> dict[str, tuple[str, ...]]:
        named = [word.lstrip("+~").split(".") for word in self.before]
        return {
            group: tuple(
                dict.fromkeys(
                    (*places.entries(group, *self.own), *(w[1] for w in named if w[0] == group and len(w) > 2))
                )
            )
            for group in places.LISTS
        }

    def _values(self, key: str, value: str) -> Iterator[str]:
        options = self._options(key)
        if options and key in places.LISTS:
            yield from _listed(options, value)
        elif options:
            yield from self._chosen(options, value)
        else:
            for known in self.known.keys:
                if len(parts := key.split(".")) == len(own := known.name.split(".")) and all(
                    a in (b, NAME) for a, b in zip(own, parts, strict=True)
                ):
                    yield from self._chosen(known.values, value)
                    yield from _paths(value) if known.place else ()

    def _options(self, group: str) -> Sequence[str]:
        if group in places.groups(*self.own):
            return [path.stem for path in places.files(group, *self.own)]
        return self.known.plugins.get(group, ())

    def _chosen(self, values: Iterable[str], value: str) -> Iterator[str]:
        """Yield values; of a sweep, after those that were said and a comma."""
        head, comma, last = value.rpartition(",") if self.sweeping else ("", "", value)
        named = head.split(",")
        end = "" if self.sweeping else " "
        yield from (f"{head}{comma}{one}{end}" for one in values if one.startswith(last) and one not in named)


_KINDS = {
    "verbs": _Line.verbs,
    "groups": _Line.groups,
    "keys": _Line.keys,
    "runs": _Line.runs,
    "choices": _Line.choices,
    "overrides": _Line.overrides,
}


def _whole(names: Iterable[str], word: str) -> Iterator[str]:
    yield from (f"{name} " for name in names if name.startswith(word))


def _leads_to_yaml(path: str, word: str) -> bool:
    return path.rstrip(" ").endswith((".yaml", ".yml")) or (path.endswith("/") and "/" in word)


def _steps(names: Iterable[str], word: str, end: str) -> Iterator[str]:
    """Yield names as far as their next dot."""
    for name in names:
        if name.startswith(word):
            step, dot, _ = name[len(word) :].partition(".")
            yield f"{word}{step}{dot or end}"


def _listed(options: Sequence[str], value: str) -> Iterator[str]:
    """Yield lists of options: each that may come next, and after a whole one the comma or the end."""
    if value and not value.startswith("["):
        yield from _whole(options, value)
        return
    head, comma, last = value.removeprefix("[").rpartition(",")
    named = head.split(",")
    yield from (f"[{head}{comma}{name}" for name in options if name.startswith(last) and name not in (*named, last))
    if last in options:
        yield from (f"[{head}{comma}{last},", f"[{head}{comma}{last}] ")


def _paths(word: str) -> Iterator[str]:
    """Yield files and directories; hidden ones once their dot is typed. There are none in what is no folder."""
    folder, slash, name = word.rpartition("/")
    with suppress(OSError, RuntimeError):  # nobody has the home that a ~ names
        for entry in os.scandir(Path(f"{folder}{slash}" or ".").expanduser()):
            if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith(".")):
                yield f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ' '}"
