"""Command-line overrides: parsed by Hydra's grammar with a few extensions, and checked before anything is composed.

Three things differ from plain Hydra, each because the typed spec checks keys better than Hydra's struct mode can:

* ``key=value`` may name a key that no file mentions (``loras.mine.source=...``); a misspelt one is found when the
  spec is validated, together with all other mistakes;
* in a single run prompts, paths and addresses are taken as they stand, commas, backslashes and all, since no sweep can
  be meant; only a pair of quotes around the whole of it goes, as it does in Hydra;
* a group is distinguished from a value first, so that a misspelt option can be answered with the nearest one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, OverrideType, Quote, QuotedString, Sweep
from hydra.errors import HydraException

from tcdflow.config.guard import forbidden, walk
from tcdflow.config.places import EXPERIMENT, LISTS
from tcdflow.config.twice import twice
from tcdflow.errors import Problem
from tcdflow.spec.free_text import free_text
from tcdflow.spec.nearest import nearest
from tcdflow.spec.scheduler import called_elsewhere
from tcdflow.text import first_line

_OF_THE_WHOLE = ("hydra.run.dir", "hydra.sweep.dir", "lock", "sweep.name", "sweep.prompts_from")
"""Texts that are one for all cells of a sweep: their commas separate nothing."""


class _FreeText(Container[str]):
    def __contains__(self, key: object) -> bool:
        return key in _OF_THE_WHOLE or (isinstance(key, str) and free_text(key) is not None)


FREE_TEXT: Container[str] = _FreeText()
"""Keys that take any text: prompts, paths and addresses."""
_USER_HYDRA = re.compile(
    r"hydra[./](run\.dir|sweep\.(dir|subdir)|launcher\b.*|sweeper\b.*|verbose|mode|searchpath|job\.num|job\.id)$"
)

_CALL = re.compile(r"\s*(choice|range|glob|interval|sort|shuffle|tag)\(")
"""What makes several values in a sweep."""

_WORD = re.compile(
    r"""(?P<text> \\. | '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" )
    | (?P<before> (?: ^ | [,(\[] )\s* ) (?P<word> (?!null\b) [\w.+-]+ ) (?: (?= \s*[,)\]] ) | \s*$ )""",
    re.IGNORECASE | re.VERBOSE,
)
"""A value that is a bare word, which Hydra's grammar may read as a number; what lies in ``text`` is none."""

_SOURCES = {"base": "base.source", **{group: f"{group}.NAME.source" for group in ("loras", "adapters", "embeddings")}}
_SOURCE = re.compile(r"[/\\]|\.(safetensors|ckpt|pt|bin)$")
"""What a name has that is a file, a folder or an id of the hub, and no option."""

PLUGINS = dict.fromkeys(("optuna", "joblib", "submitit_local", "submitit_slurm"), "sweepers") | {"ray": "ray"}
"""Sweepers and launchers that an extra of tcdflow's brings: ``pip install 'tcdflow[...]'``."""


@dataclass(frozen=True)
class ParsedOverride:
    """One override: as the user wrote it, and as Hydra is to read it."""

    text: str
    key: str
    hydra_text: str
    is_group: bool = False


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def parse(text: str, *, sweeping: bool = False) -> Override:
    """Parse one override, taking free text literally where Hydra's grammar would not.

    In a sweep, where commas separate values, each of them is text: ``1e5`` is no number there.

    Raises:
        ValueError: with a one-line reason, if the text is not an override.
    """
    name, equals, value = text.partition("=")
    key = name.lstrip("+")
    free = bool(equals) and key in FREE_TEXT
    splits = sweeping and key not in _OF_THE_WHOLE
    try:
        parsed = _parser().parse_override(text)
    except HydraException as error:
        if not free or (splits and ("," in value or _CALL.match(value))) or _is_list(key, value):
            raise ValueError(_syntax(text, error, splits=splits)) from None
    else:
        chosen = parsed.value() if splits or not free else None
        if isinstance(chosen, ChoiceSweep):
            _check_choice(key, value, chosen)
        if free and (isinstance(chosen, ChoiceSweep | int | float) or _is_list(key, value)):
            return _texts(name, value)
        if not free or splits or _is_read(parsed, value):
            return parsed
    return _parser().parse_override(f"{name}={quoted(value)}")


def _check_choice(key: str, value: str, choice: ChoiceSweep) -> None:
    """Refuse what Hydra would write into a value, or fail over.

    Raises:
        ValueError: with a one-line reason.
    """
    as_text = f"; as one text it is written {as_typed(key, value)}" if key in FREE_TEXT else ""
    if any(isinstance(item, Sweep | Glob) for item in choice.list):
        raise ValueError(f"mixes choice(), range() or glob() with other values; write the values one by one{as_text}")
    if as_text and any(isinstance(item, dict) for item in choice.list):
        raise ValueError(f"mixes texts with a mapping{as_text}")


def _texts(name: str, value: str) -> Override:
    """Parse free text again, so that each of its values stays as it is written."""
    override = _parser().parse_override(f"{name}={_WORD.sub(_in_quotes, value)}")
    choice = override.value()
    if isinstance(choice, ChoiceSweep):  # of which Hydra's choice() drops the quotes
        choice.list = [QuotedString(item, Quote.single) if isinstance(item, str) else item for item in choice.list]
    return override


def _in_quotes(piece: re.Match[str]) -> str:
    return piece["text"] or f"{piece['before']}'{piece['word']}'"


def _is_read(parsed: Override, value: str) -> bool:
    """Say whether free text was meant as Hydra's grammar has read it: no value, or a whole in quotes."""
    read = parsed.value()
    return read is None or (isinstance(read, str) and value.lstrip()[:1] in ("'", '"'))


def _is_list(key: str, value: str) -> bool:
    return value.lstrip().startswith("[") and free_text(key) == "list"


def quoted(text: str) -> str:
    """Quote text so that Hydra and OmegaConf take every character literally."""
    escaped = re.sub(r"(\\*)'", lambda m: m.group(1) * 2 + r"\'", text)
    escaped = re.sub(r"(\\+)\Z", lambda m: m.group(1) * 2, escaped)
    return f"'{escaped}'"


def literal(text: str) -> str:
    """Escape text so that OmegaConf interpolates nothing in it."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def unescaped(text: str) -> str:
    """Return what OmegaConf makes of text in which nothing is interpolated."""
    return re.sub(r"(\\+)\$\{", lambda m: m[1][: len(m[1]) // 2] + "${", text)


def as_typed(key: str, *values: str) -> str:
    """Return an override of texts as it is typed in a shell, each text in quotes."""
    marked = [f'"{value}"' if not re.search(r'["\\]', value) else quoted(value) for value in values]
    return shlex.quote(f"{key}={','.join(marked)}")


def _syntax(text: str, error: Exception, *, splits: bool) -> str:
    """Say why an override cannot be read, and for free text what to type instead."""
    name, equals, value = text.partition("=")
    if not equals and not text.startswith("~"):
        return "unknown override; write key=value"
    key = name.lstrip("+")
    if key not in FREE_TEXT:
        hint = "; put quotes around text: key=\"'...'\"" if re.search(r"[,:'\"(){}\[\]]", value) else ""
        return f"cannot be read: {first_line(error)}{hint}"
    if _is_list(key, value):
        items = value.strip().removeprefix("[").removesuffix("]").split(",")
        listed = ",".join(f'"{item.strip()}"' for item in items)
        return f"cannot be read as a list; write {shlex.quote(f'{key}=[{listed}]')}"
    if splits and _CALL.match(value):
        return f"cannot be read: {first_line(error)}; as text it is written {as_typed(key, value)}"
    pieces = [piece.strip().strip("'\"") for piece in value.split(",")]
    several = f", or several: {as_typed(key, *pieces)}" if splits and all(pieces) else ""
    why = "cannot be read, since commas separate the values of a sweep"
    return f"{why}; write one value: {as_typed(key, value)}{several}"


def check(
    texts: Sequence[str],
    *,
    options: Callable[[str], Sequence[str]],
    sweeping: bool = False,
) -> tuple[list[ParsedOverride], list[Problem]]:
    """Parse and check overrides.

    Args:
        texts: overrides as the user wrote them.
        options: names that can be chosen from a group; empty for what is not a group.
        sweeping: whether commas and ranges mean a sweep.

    Returns:
        The overrides that can be composed, and the problems of the rest.
    """
    accepted: list[ParsedOverride] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            override = parse(text, sweeping=sweeping)
        except ValueError as error:
            problems.append(Problem(text.partition("=")[0].strip() or f"'{text}'", str(error), origin=text))
            continue
        if not override.key_or_group:
            problems.append(Problem(f"'{text}'", "names no key"))
            continue
        found = _problems(override, text, options, sweeping)
        problems += found
        if not found:
            accepted.append(_parsed(override, text, options))
    return accepted, problems


def _problems(override: Override, text: str, options: Callable[[str], Sequence[str]], sweeping: bool) -> list[Problem]:
    key = override.key_or_group
    if override.is_hydra_override() or key == "hydra":
        if not _USER_HYDRA.match(key) or override.package is not None:
            return [Problem(key, "is not for users to set", origin=text)]
        below = [] if override.is_sweep_override() else [name for name, _ in walk(override.value(), key)]
        if found := [Problem(n, why, origin=text) for n in (key, *below) if (why := forbidden(n, None))]:
            return found
    value = override.value()
    if isinstance(value, Sweep | Glob) and not sweeping:
        what = "has several values; a sweep of them needs -m (multirun) first, or tcdflow.sweep in Python"
        if key in LISTS and isinstance(value, ChoiceSweep):
            what += f"; {key}=[{','.join(str(_plain(item)) for item in value.list)}] has all of them in one run"
        return [Problem(key, what, origin=text, kind="several values")]
    names = options(key)
    if override.is_hydra_override() and not names:
        return []
    values = list(value.list) if isinstance(value, ChoiceSweep) else [] if isinstance(value, Sweep | Glob) else [value]
    plain = [_plain(item) for item in values]
    if not names:
        return [Problem(key, reason, item, origin=text) for item in plain if (reason := forbidden(key, item))]
    if override.is_delete():
        what = f"has a list of presets, which stays; {key}=[] chooses none of them"
        return [Problem(key, what, origin=text)] if key in LISTS else []
    return [problem for item in plain for problem in _option_problems(key, item, names, text)]


def _plain(value: Any) -> Any:
    """Return a value of a choice as Hydra does those of others: without quotes."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value.text if isinstance(value, QuotedString) else value


def _option_problems(group: str, value: object, names: Sequence[str], text: str) -> list[Problem]:
    allowed = ", ".join(names)
    if value is None:
        what = f"choose one of {allowed}" + ("" if group == "base" or "/" in group else f", or none with {group}=[]")
        return [] if group == "experiment" else [Problem(group, what, "null", origin=text)]
    if isinstance(value, dict):
        return [Problem(group, f"is a group; choose one of {allowed}, and set keys as {group}.key=value", origin=text)]
    chosen = [str(name) for name in value] if isinstance(value, list) else [str(value)]
    return [
        Problem(group, f"is not installed; pip install 'tcdflow[{PLUGINS[name]}]'", name)
        if group.startswith("hydra/") and name in PLUGINS
        else _no_option(group, name, names, text)
        for name in chosen
        if name not in names
    ] + list(twice(group, [name for name in chosen if name in names], text))


def _no_option(group: str, name: str, names: Sequence[str], text: str) -> Problem:
    what = f"must be one of {', '.join(names)}"
    near, karras = (called_elsewhere(name) if group == "scheduler" else None) or (nearest(name, names), False)
    if karras:
        what += "; scheduler.use_karras_sigmas=true is for noise levels after Karras"
    if group == EXPERIMENT and name.lower().endswith((".yaml", ".yml")):
        what = f"takes the name of a preset; a YAML is run by its path: tcdflow {name}"
        return Problem(group, what, name, origin=text)
    if group in _SOURCES and _SOURCE.search(name):
        what += f"; a file, folder or id of the hub is given as {_SOURCES[group]}=..."
        near = None
    return Problem(group, what, name, origin=text, nearest=near if near in names else None)


def _parsed(override: Override, text: str, options: Callable[[str], Sequence[str]]) -> ParsedOverride:
    key = override.key_or_group
    line = override.input_line or text
    is_group = bool(options(key))
    if is_group and override.value() is None and not override.is_delete():
        return ParsedOverride(text, key, "", True)
    if not is_group and not override.is_hydra_override() and override.type in (OverrideType.CHANGE, OverrideType.ADD):
        line = "++" + line.lstrip("+")
    return ParsedOverride(text, key, line, is_group)
