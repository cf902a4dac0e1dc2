"""Configs that ship with Hydra and tcdflow are read once a process, and composed once for each choice of them.

A user's files are read anew each time. Copies come out of pickles that this process made of its own objects: unpickling
a config takes a fifth of the time that copying it does, and a fiftieth of reading it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar, cast

from hydra.plugins.config_source import ConfigSource

Made = TypeVar("Made")

_MOST = 256
"""Results kept; a process composes few choices of configs, and each takes some 15 kB."""


class Shipped(Generic[Made]):
    """What was made of shipped files, by what they are."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, bytes] = {}

    def copy(self, key: Hashable, make: Callable[[], Made], sound: Callable[[Made], bool] = lambda made: True) -> Made:
        """Return what ``make`` returned for this key, which the caller may change.

        Args:
            key: of what is made.
            make: makes it, if it is not there or not sound.
            sound: says whether what was made is as it would be now.
        """
        kept = self._kept.get(key)
        if kept is not None and sound(made := pickle.loads(kept)):
            return cast("Made", made)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        made = make()
        try:
            self._kept[key] = pickle.dumps(made, pickle.HIGHEST_PROTOCOL)
        except pickle.PicklingError:  # settings of a plug-in whose module Hydra has imported twice
            return made
        return cast("Made", pickle.loads(self._kept[key]))


def stamp(source: ConfigSource, config_path: str) -> Hashable | None:
    """Return what tells a shipped config from others, and from itself once it is edited; None if nothing does.

    Of configs that Python code has registered only those of Hydra and its plug-ins stay what they are.
    """
    if source.scheme() == "pkg" or (source.scheme() == "structured" and config_path.startswith("hydra/")):
        return source.path, config_path
    if source.scheme() != "file":
        return None
    name = config_path if config_path.endswith(".yaml") else f"{config_path}.yaml"
    found = Path(source.path, name).stat()
    return source.path, config_path, found.st_mtime_ns, found.st_size, found.st_ino
