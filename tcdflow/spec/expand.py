"""A sweep's axes, in Hydra's own grammar: commas, choice(), range() and glob(), and lists declared in YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override, OverrideType, Sweep

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.compose import Composer
from tcdflow.spec.overrides import FREE_TEXT, check, parse, quoted
from tcdflow.spec.sweep import SweepSpec

MAX_PROMPT_BYTES = 64_000_000


@dataclass(frozen=True)
class Point:
    """One value of one axis.

    Attributes:
        key: what is overridden.
        text: the override as a single run would be told.
        value: the parsed value.
        plain: whether it can be set on a resolved config without composing anew, as far as it alone tells.
    """

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
    """

    fixed: tuple[str, ...]
    axes: tuple[Axis, ...]
    sweep: SweepSpec


def axes(composer: Composer, overrides: Sequence[str]) -> Axes:
    """Read the axes of a sweep from overrides and the config's ``sweep`` key.

    Raises:
        ConfigError: with every override that cannot be read, and every axis that cannot be swept.
    """
    fixed, swept = _split(composer, overrides)
    sweep = composer.sweep_of(fixed)
    declared = [text for key, value in sweep.axes.items() for text in [f"{key}={_sweep_text(value)}"]]
    more_fixed, more_swept = _split(composer, declared)
    found = {axis[0][0].key: axis for axis in (_axis(composer, text) for text in [*more_swept, *swept])}
    if sweep.prompts_from is not None:
        found["prompt"] = tuple((_prompt(line),) for line in _prompts(sweep.prompts_from))
    zipped = _zipped(found, sweep.zip)
    return Axes((*more_fixed, *fixed), tuple(zipped), sweep)


def _split(composer: Composer, overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    _, problems = check(overrides, options=composer.options, sweeping=True)
    if problems:
        raise ConfigError(problems)
    fixed: list[str] = []
    swept: list[str] = []
    for text in overrides:
        override = parse(text, sweeping=True)
        is_axis = isinstance(override._value, Sweep) and not override.is_hydra_override()
        (swept if is_axis else fixed).append(text if is_axis else _single(override, text))
    return fixed, swept


def _axis(composer: Composer, text: str) -> Axis:
    override = parse(text, sweeping=True)
    override.config_loader = composer.loader
    key = override.key_or_group
    if key.split(".")[0] == "sweep":
        raise ConfigError([Problem(key, "what holds for the sweep as a whole cannot vary within it", origin=text)])
    (cells,) = BasicSweeper.split_arguments([override], max_batch_size=None)
    points = [parse(cell, sweeping=True) for (cell,) in cells]
    return tuple((_point(composer, point),) for point in points)


def _point(composer: Composer, override: Override) -> Point:
    value = override.value()
    plain = (
        override.type in (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
        and override.package is None
        and not composer.options(override.key_or_group)
        and not isinstance(value, dict)
        and "${" not in json.dumps(value, default=str)
    )
    return Point(override.key_or_group, _single(override, override.input_line or ""), value, plain)


def _single(override: Override, text: str) -> str:
    """Hydra escapes what it splits, and a single run takes free text as it stands."""
    value = override._value
    free = override.key_or_group in FREE_TEXT and isinstance(value, str)
    return f"{override.get_key_element()}={quoted(str(value))}" if free else text


def _prompt(line: str) -> Point:
    return Point("prompt", f"prompt={quoted(line)}", line, "${" not in line)


def _prompts(path: str) -> list[str]:
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > MAX_PROMPT_BYTES:
            raise ConfigError([Problem("sweep.prompts_from", f"is larger than {MAX_PROMPT_BYTES} bytes", path)])
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except OSError as error:
        raise ConfigError([Problem("sweep.prompts_from", f"cannot be read: {error.strerror}", path)]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("sweep.prompts_from", "is no UTF-8 text", path)]) from None
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise ConfigError([Problem("sweep.prompts_from", "holds no prompt", path)])
    return prompts


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
    problems: list[Problem] = []
    together = {key: group for group in zips for key in group}
    for key in together:
        if key not in found:
            problems.append(Problem("sweep.zip", f"there is no such axis; there are {', '.join(found) or 'none'}", key))
    for group in zips:
        lengths = {key: len(found[key]) for key in group if key in found}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            problems.append(Problem("sweep.zip", f"axes that move together must be of one length: {said}"))
    if problems:
        raise ConfigError(problems)
    result: list[Axis] = []
    done: set[str] = set()
    for key, axis in found.items():
        if key in done:
            continue
        group = together.get(key, (key,))
        done.update(group)
        result.append(
            tuple(tuple(p for points in rank for p in points) for rank in zip(*(found[k] for k in group), strict=True))
            if len(group) > 1
            else axis
        )
    return result
