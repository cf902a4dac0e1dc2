"""A sweep's cells: Hydra's own product over commas, choices and ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from tcdflow.errors import ConfigError
from tcdflow.spec.overrides import FREE_TEXT, check, parse, quoted


def expand(overrides: Sequence[str], *, options: Callable[[str], Sequence[str]]) -> list[list[str]]:
    """Return the overrides of each cell, the last axis varying fastest, as Hydra's basic sweeper does.

    Raises:
        ConfigError: with every override that cannot be read or chooses an unknown option.
    """
    _, problems = check(overrides, options=options, sweeping=True)
    if problems:
        raise ConfigError(problems)
    parsed = [parse(text, sweeping=True) for text in overrides]
    hydra = [text for text, override in zip(overrides, parsed, strict=True) if override.is_hydra_override()]
    swept = [override for override in parsed if not override.is_hydra_override()]
    (cells,) = BasicSweeper.split_arguments(swept, max_batch_size=None)
    return [[*hydra, *(_unescaped(text) for text in cell)] for cell in cells]


def _unescaped(text: str) -> str:
    """Hydra escapes what it splits, and a single run takes free text as it stands."""
    override = parse(text, sweeping=True)
    value = override._value
    free = override.key_or_group in FREE_TEXT and isinstance(value, str)
    return f"{override.get_key_element()}={quoted(str(value))}" if free else text
