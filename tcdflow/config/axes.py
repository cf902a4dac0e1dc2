"""A sweep's axes, in Hydra's own grammar: commas, choice(), range() and glob(), and lists declared in YAML."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Glob, IntervalSweep, Override, OverrideType, RangeSweep
from hydra.errors import HydraException

from tcdflow.config import file_axis, prompt_axis
from tcdflow.config.axis_warnings import displaced, split_at_commas
from tcdflow.config.compose import Composer
from tcdflow.config.guard import walk, without_escaped
from tcdflow.config.overrides import FREE_TEXT, literal, parse, quoted, unescaped
from tcdflow.config.permission import GROUP
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.free_text import place_of
from tcdflow.spec.sweep import SweepSpec
from tcdflow.text import reason

_WHOLE = ("sweep", "lock", "tracker", "hydra", GROUP)
MAX_VALUES = 1_000_000
"""Of all axes together."""


@dataclass(frozen=True)
class Fixed:
    """An override that holds for every cell.

    Attributes:
        place: its position among all overrides: later ones have the last word.
        key: what is overridden.
        text: the override as a single run would be told.
    """

    place: int
    key: str
    text: str


@dataclass(frozen=True)
class Point:
    """One value of one axis.

    Attributes:
        place: position of the axis among all overrides.
        key: what is overridden.
        text: the override as a single run would be told; empty if the position leaves the key as the config has it.
        value: the parsed value; None in that case.
        plain: whether it can be set on a resolved config without composing again, as far as it alone tells.
    """

    place: int
    key: str
    text: str
    value: Any
    plain: bool


Axis = tuple[tuple[Point, ...], ...]
"""Positions along an axis; each sets one key, or several that move together."""


@dataclass(frozen=True)
class Axes:
    """What a sweep varies, and what it does not.

    Attributes:
        fixed: overrides that hold for every cell.
        axes: in the user's order, the first varying slowest.
        sweep: the settings of the sweep.
        declared: the values that files declare, each as it would be told on the command line.
        told: what of the overrides is probably not meant.
    """

    fixed: tuple[Fixed, ...]
    axes: tuple[Axis, ...]
    sweep: SweepSpec
    declared: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def overrides_of(self, points: Sequence[Point]) -> tuple[str, ...]:
        """Return all overrides of a cell, in the order in which Hydra would be told."""
        items: list[Fixed | Point] = [*self.fixed, *points]
        return tuple(item.text for item in sorted(items, key=lambda item: item.place) if item.text)

    def warnings(self) -> Iterator[str]:
        """Yield what is probably not meant: what was read otherwise, what varies together and does not belong so."""
        yield from self.told
        for axis in self.axes:
            numbers = [number for number, point in enumerate(axis[0]) if place_of(point.key)]
            if len(numbers) > 1:
                ranks = ([str(points[number].value) for number in numbers] for points in axis)
                if found := file_axis.unlike([axis[0][number].key for number in numbers], ranks):
                    yield found


def axes(composer: Composer, overrides: Sequence[str]) -> Axes:
    """Read the axes of a sweep from overrides and the config's ``sweep`` key.

    Raises:
        ConfigError: with every override that cannot be read, and every axis that cannot be swept.
    """
    overrides = [composer.seeds.override(text) for text in overrides]
    _refuse(composer, overrides)
    # Of two overrides of one key the later one counts, in the place of the first, as in Hydra's sweeper.
    parsed = list({o.get_key_element(): (o, text) for o, text in (_parsed(composer, t) for t in overrides)}.values())
    sweep = composer.sweep_of([_single(override, text) for override, text in parsed if not _is_axis(override)])
    named = {override.key_or_group for override, _ in parsed}
    if wrong := list(_misdeclared(sweep)):
        raise ConfigError(wrong)
    declared = [
        composer.seeds.override(f"{key}={_sweep_text(value)}") for key, value in sweep.axes.items() if key not in named
    ]
    _refuse(composer, declared)
    _refuse_whole(declared)
    # What a file declares comes first, so that the command line has the last word.
    everything = [*(_parsed(composer, text) for text in declared), *parsed]
    fixed: list[Fixed] = []
    found: dict[str, Axis] = {}
    for place, (override, text) in enumerate(everything):
        key = override.key_or_group
        if not _is_axis(override):
            fixed.append(Fixed(place, key, _single(override, text)))
            continue
        if key in found:  # as key=... and as ++key=...
            raise ConfigError([Problem(key, "is swept twice", origin=text)])
        found[key] = _axis(composer, override, text, place)
        if sum(map(len, found.values())) > MAX_VALUES:
            raise ConfigError([Problem("sweep", f"its axes have more than {MAX_VALUES} values together")])
    if (prompts := _prompts(composer, sweep, found, fixed)) is not None:
        found["prompt"] = prompts
        fixed = [item for item in fixed if item.key != "prompt"]
        declared += [point.text for points in prompts for point in points]
    told = (*displaced(sweep, parsed), *split_at_commas(parsed))
    return Axes(tuple(fixed), tuple(_zipped(found, sweep.zip)), sweep, tuple(declared), told)


def ends(composer: Composer, overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the overrides of two runs, as single runs would be told: all first values, and all last ones.

    For sweepers that choose what lies between, of an ``interval(0,1)`` too.

    Raises:
        ConfigError: with every override that cannot be read.
    """
    overrides = [composer.seeds.override(text) for text in overrides]
    _refuse(composer, overrides)
    parsed = [_parsed(composer, text) for text in overrides]
    return [tuple(_end(override, text, number) for override, text in parsed) for number in (0, -1)]


def _end(override: Override, text: str, number: int) -> str:
    if not _is_axis(override):
        return _single(override, text)
    value = override.value()
    if isinstance(value, IntervalSweep):
        return f"{override.get_key_element()}={value.start if number == 0 else value.end}"
    return _alone(_cells(override, text)[number])


def _refuse(composer: Composer, overrides: Sequence[str]) -> None:
    _, problems = composer.parsed(overrides, sweeping=True)
    if problems:
        raise ConfigError(problems)


def _refuse_whole(texts: Sequence[str]) -> None:
    """Refuse axes of what is one for all cells, and of what a file may not say at all."""
    what = "what holds for the sweep as a whole cannot vary within it"
    keys = {text: parse(text, sweeping=True).key_or_group for text in texts}
    problems = [Problem(key, what, origin=text) for text, key in keys.items() if re.split(r"[./]", key)[0] in _WHOLE]
    if problems:
        raise ConfigError(problems)


def _parsed(composer: Composer, text: str) -> tuple[Override, str]:
    override = parse(text, sweeping=True)
    override.config_loader = composer.loader
    return override, text


def _is_axis(override: Override) -> bool:
    return override.is_sweep_override() and not override.is_hydra_override()


def _axis(composer: Composer, override: Override, text: str, place: int) -> Axis:
    _refuse_whole([text])
    if override.is_interval_sweep():
        what = "interval() needs a sweeper that chooses values, such as hydra/sweeper=optuna"
        raise ConfigError([Problem(override.key_or_group, what, origin=text)])
    values = override.value()
    if isinstance(values, RangeSweep) and _is_endless(values):
        raise ConfigError([Problem(override.key_or_group, f"has more than {MAX_VALUES} values", origin=text)])
    return tuple((_point(composer, parse(cell), place),) for cell in _cells(override, text))


def _cells(override: Override, text: str) -> list[str]:
    """Return an axis as overrides, one for each of its values."""
    values = _paths(override)
    try:
        with _shuffled_by(text):
            values = list(override.sweep_string_iterator()) if values is None else values
    except (HydraException, ValueError, ArithmeticError) as error:
        raise ConfigError([Problem(override.key_or_group, reason(error, 1000), origin=text)]) from None
    if not values:
        raise ConfigError([Problem(override.key_or_group, "has no value to sweep over", origin=text)])
    return [f"{override.get_key_element()}={value}" for value in values]


def spelled_out(composer: Composer, text: str) -> str:
    """Return an override as Hydra's own sweepers can read it: texts in quotes, a glob() of files as their paths.

    Raises:
        ConfigError: if it cannot be read.
    """
    _refuse(composer, [text])
    override, _ = _parsed(composer, text)
    if override.key_or_group not in FREE_TEXT or not override.is_discrete_sweep():
        return text
    values = [_alone(cell).partition("=")[2] for cell in _cells(override, text)]
    return f"{override.get_key_element()}={','.join(values)}"


def _paths(override: Override) -> list[str] | None:
    """Return the paths that a glob() of files chooses, in quotes; None for any other value."""
    chosen: object = override.value()
    loader = override.config_loader
    if not isinstance(chosen, Glob) or (loader is not None and loader.get_group_options(override.key_or_group)):
        return None
    return [quoted(literal(path)) for path in file_axis.files(override.key_or_group, chosen, MAX_VALUES)]


def _is_endless(values: RangeSweep) -> bool:
    """Say whether a range has too many values, or no end: told from its ends, since Hydra would write them all down."""
    try:
        return not abs(values.stop - values.start) <= MAX_VALUES * abs(values.step)  # type: ignore[operator]
    except OverflowError:
        return True


@contextmanager
def _shuffled_by(text: str) -> Iterator[None]:
    """Make Hydra's shuffle() come out the same each time, as a plan that is made again must."""
    before = random.getstate()
    random.seed(text)
    try:
        yield
    finally:
        random.setstate(before)


def _point(composer: Composer, override: Override, place: int) -> Point:
    value = override.value()
    plain = (
        override.type in (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
        and override.package is None
        and not composer.options(override.key_or_group)
        and _is_literal(value)
    )
    if plain and isinstance(value, str):
        value = unescaped(value)
    return Point(place, override.key_or_group, _single(override, override.input_line or ""), value, plain)


def _is_literal(value: object) -> bool:
    """Say whether OmegaConf would keep a value as it is: it merges mappings and reads meaning into some texts."""
    if isinstance(value, list):
        return all(_is_literal(item) for item in value)
    if isinstance(value, str):
        return "${" not in without_escaped(value) and value != "???"
    return not isinstance(value, dict)


def _alone(cell: str) -> str:
    return _single(parse(cell), cell)


def _single(override: Override, text: str) -> str:
    """Hydra escapes what it splits, and a single run takes free text as it stands."""
    value = override.value()
    free = override.key_or_group in FREE_TEXT and isinstance(value, str)
    return f"{override.get_key_element()}={quoted(str(value))}" if free else text


def _prompts(composer: Composer, sweep: SweepSpec, found: dict[str, Axis], fixed: Sequence[Fixed]) -> Axis | None:
    """Return the axis of prompts that a file or wildcards make; None if neither does."""
    place = MAX_VALUES  # behind all overrides
    live = False
    if sweep.prompts_from is not None:
        positions = prompt_axis.of_file(sweep.prompts_from)
        taken = {key: None for key in positions[0] if key in found or any(key == item.key for item in fixed)}
        if taken:
            what = f"is given as well as {' and '.join(taken)}; leave one of them out (sweep.prompts_from=null)"
            raise ConfigError([Problem("sweep.prompts_from", what, sweep.prompts_from)])
    elif sweep.wildcards is None:
        return None
    elif "prompt" in found:
        positions = [{point.key: point.value for point in points} for points in found["prompt"]]
        live = not all(point.plain for points in found["prompt"] for point in points)
    else:
        positions = [{"prompt": composer.value("prompt", [item.text for item in fixed]) or ""}]
    if sweep.wildcards is not None:
        positions = prompt_axis.filled(positions, sweep.wildcards, MAX_VALUES)
    return tuple(tuple(_set(key, value, place, live=live) for key, value in values.items()) for values in positions)


def _set(key: str, value: str | int | None, place: int, *, live: bool) -> Point:
    """Return what sets a value that a file says: nothing in it is interpolated, unless it is ``live``."""
    shown = quoted(value if live else literal(value)) if isinstance(value, str) else value
    return Point(place, key, "" if value is None else f"{key}={shown}", value, not live)


def _misdeclared(sweep: SweepSpec) -> Iterator[Problem]:
    """Yield axes that are no axes: keys below keys, and what YAML has made numbers of though its key takes text."""
    for key, values in sweep.axes.items():
        if isinstance(values, dict):
            first = next(iter(values), "key")
            yield Problem(f"sweep.axes.{key}", f"holds keys; write each by its dots, as {key}.{first}: [...]")
        for _, value in walk([values]) if key.lstrip("+") in FREE_TEXT else ():
            if isinstance(value, int | float):
                yield Problem(key, "must be text; put quotes around it", value, "sweep.axes")


def _sweep_text(value: object) -> str:
    """Write a declared axis as a sweep override: text is Hydra's own grammar, a list is a choice."""
    if isinstance(value, list | tuple):
        return f"choice({','.join(_literal(item) for item in value)})"
    return str(value)


def _literal(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(_literal(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


def _zipped(found: dict[str, Axis], zips: Sequence[Sequence[str]]) -> list[Axis]:
    _check_zips(found, zips)
    together = {key: group for group in zips for key in group}
    result: list[Axis] = []
    done: set[str] = set()
    for key, axis in found.items():
        if key in done:
            continue
        group = together.get(key, (key,))
        done.update(group)
        ranks = zip(*(found[name] for name in group), strict=True) if len(group) > 1 else ((rank,) for rank in axis)
        result.append(tuple(tuple(point for points in rank for point in points) for rank in ranks))
    return result


def _check_zips(found: dict[str, Axis], zips: Sequence[Sequence[str]]) -> None:
    names = [key for group in zips for key in group]
    there = f"there is no such axis; there are {', '.join(found) or 'none'}"
    problems = [Problem("sweep.zip", there, key) for key in names if key not in found]
    twice = dict.fromkeys(key for key in names if names.count(key) > 1)
    problems += [Problem("sweep.zip", "is named twice; an axis moves with one group", key) for key in twice]
    for group in zips:
        lengths = {key: len(found[key]) for key in group if key in found}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            problems.append(Problem("sweep.zip", f"axes that move together must be of one length: {shown}"))
    if problems:
        raise ConfigError(problems)


def without(points: Sequence[Point], rules: Sequence[dict[str, Any]]) -> int | None:
    """Return the number of the first rule that leaves a cell out, or None if it stays."""
    values = {point.key: point.value for point in points if point.text}
    for number, rule in enumerate(rules):
        if all(key in values and _meant(values[key], wanted) for key, wanted in rule.items()):
            return number
    return None


def _meant(value: object, wanted: object) -> bool:
    if isinstance(wanted, list | tuple) and not isinstance(value, list | tuple):
        return any(_meant(value, item) for item in wanted)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, float | int) and isinstance(wanted, float | int):
        return abs(value - wanted) <= 1e-9 * max(abs(value), abs(wanted))  # range() adds up rounding errors
    return value == (list(wanted) if isinstance(wanted, tuple) else wanted)
