"""The axis of prompts: from a file of prompts, and with the gaps of prompts filled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.prompts import rows
from tcdflow.prompts.wildcards import Wildcards
from tcdflow.spec.paths import at_home, is_there, looked_in
from tcdflow.spec.sweep import WildcardsSpec

KEYS = {"seed": "sampling.seed", "width": "sampling.width", "height": "sampling.height"}
"""Keys of the columns of a file that are not called as their keys are."""

Values = dict[str, Any]
"""What one position of the axis sets, by key; None leaves a key as the config has it."""


def of_file(path: str) -> list[Values]:
    """Return what the rows of a file set; all of them name the same keys.

    Raises:
        ConfigError: if it cannot be read, with the line that is wrong.
    """
    try:
        found = rows.read(_resolved(path))
    except SourceError as error:
        where = "" if is_there(at_home(path)) else looked_in(path)
        raise ConfigError([Problem("sweep.prompts_from", f"{error}{where}", path)]) from None
    columns = [name for name in rows.COLUMNS if any(name in row.values for row in found)]
    return [{KEYS.get(name, name): row.values.get(name) for name in columns} for row in found]


def filled(prompts: Iterable[Values], spec: WildcardsSpec, most: int) -> list[Values]:
    """Return positions of an axis, each as often as its prompt has texts.

    Raises:
        ConfigError: if a prompt cannot be filled, or all of them have more than ``most`` texts together.
    """
    found: list[Values] = []
    try:
        wildcards = Wildcards(_resolved(spec.folder) if spec.folder is not None else None)
        for values in prompts:
            found += [
                values | {"prompt": text} for text in wildcards.texts(str(values["prompt"]), spec.count, spec.seed)
            ]
            if len(found) > most:
                raise SourceError(f"makes more than {most} prompts together; sweep.wildcards.count=N draws some")
    except SourceError as error:
        raise ConfigError([Problem("sweep.wildcards", str(error))]) from None
    return found


def _resolved(path: str) -> Path:
    try:
        return at_home(path).resolve()
    except (OSError, RuntimeError, ValueError):  # a ring of links; a null byte
        raise SourceError("is not a path") from None
