"""Which keys interpolations name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from tcdflow.spec.guard import walk

_STATIC = re.compile(r"\$\{\s*(\.*)([\w.-]*)")


def referenced(config: DictConfig) -> Iterator[str]:
    """Yield the dotted keys that the interpolations of a config name; of a nested one the part before the inner."""
    for key, value in walk(OmegaConf.to_container(config, resolve=False)):
        for dots, name in _STATIC.findall(value) if isinstance(value, str) else ():
            parents = key.split(".")[: -len(dots)] if dots else []
            yield ".".join([*parents, name.strip(".")]).strip(".")


def overlap(one: str, other: str) -> bool:
    """Say whether two dotted keys are the same, or one lies below the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
