"""Which keys interpolations refer to, and which keys lie behind an interpolation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from tcdflow.config.guard import walk, without_escaped

MAX_EXPANSION = 1_000
_STATIC = re.compile(r"\$\{\s*(\.*)([\w.-]*)")


def referenced(config: DictConfig) -> Iterator[str]:
    """Yield the dotted keys that the interpolations of a config name; of a nested one the part before the inner.

    The key is empty, which overlaps with all, where nothing is known before it is resolved.
    """
    for names in _named(config).values():
        yield from names


def multiplying(config: DictConfig) -> list[str]:
    """Return the keys whose interpolations lead to more than ``MAX_EXPANSION`` others, or back to themselves.

    Two of them in each of thirty values, one naming the next, would keep OmegaConf busy for hours.
    """
    named = _named(config)
    costs: dict[str, float] = {}

    def cost(key: str) -> float:
        if key not in costs:
            costs[key] = math.inf  # what it is worth to a value that leads back to itself
            costs[key] = 1 + sum(cost(k) for name in named[key] for k in named if name and overlap(k, name))
        return costs[key]

    return [key for key in named if cost(key) > MAX_EXPANSION]


def _named(config: DictConfig) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in walk(OmegaConf.to_container(config, resolve=False)):
        for dots, name in _STATIC.findall(without_escaped(value)) if isinstance(value, str) else ():
            parents = key.split(".")[: -len(dots)] if dots else []
            found.setdefault(key, []).append(".".join([*parents, name.strip(".")]).strip("."))
    return found


def behind_interpolation(config: DictConfig, key: str) -> bool:
    """Say whether setting a key would set it somewhere else, since an interpolation stands above it."""
    node: object = config
    for part in key.split(".")[:-1]:
        if not isinstance(node, DictConfig):
            return False
        if OmegaConf.is_interpolation(node, part):
            return True
        node = node.get(part)
    return False


def overlap(one: str, other: str) -> bool:
    """Say whether two dotted keys are the same, or one lies below the other."""
    return not one or not other or one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
