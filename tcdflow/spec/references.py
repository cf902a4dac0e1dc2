"""Which keys interpolations name, and which stand behind one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from tcdflow.spec.guard import walk

_STATIC = re.compile(r"\$\{\s*(\.*)([\w.-]*)")


def referenced(config: DictConfig) -> Iterator[str]:
    """Yield the dotted keys that the interpolations of a config name; of a nested one the part before the inner.

    The key is empty, which overlaps with all, where nothing is known before it is resolved.
    """
    for key, value in walk(OmegaConf.to_container(config, resolve=False)):
        for dots, name in _STATIC.findall(value) if isinstance(value, str) else ():
            parents = key.split(".")[: -len(dots)] if dots else []
            yield ".".join([*parents, name.strip(".")]).strip(".")


def behind_interpolation(config: DictConfig, key: str) -> bool:
    """Say whether setting a key would set it somewhere else, since an interpolation stands above it."""
    node: object = config
    for part in key.split(".")[:-1]:
        if not isinstance(node, DictConfig):
            return False
        if OmegaConf.is_interpolation(node, part):
            return True
        node = node._get_node(part)
    return False


def overlap(one: str, other: str) -> bool:
    """Say whether two dotted keys are the same, or one lies below the other."""
    return not one or not other or one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
