"""A sweep's cells: Hydra's own product over commas, choices and ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from tcdflow.errors import ConfigError
from tcdflow.spec.overrides import check, parse


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
    return [[*hydra, *cell] for cell in cells]
