"""A composed config with its interpolations resolved, all that cannot be resolved told at once; or a key of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from tcdflow.config.overrides import FREE_TEXT
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.omegaconf import taken_out
from tcdflow.text import first_line, joined


def resolved(node: DictConfig | ListConfig, prefix: str, problems: list[Problem]) -> Any:
    """Resolve node by node, so that one broken interpolation does not hide the next."""
    keys = range(len(node)) if isinstance(node, ListConfig) else list(node)
    found: list[tuple[Any, Any]] = []
    for name in keys:
        key = f"{prefix}.{name}" if prefix else str(name)
        try:
            value = node[name]
        except OmegaConfBaseException as error:
            problems.append(_unresolved(node, str(name), key, error))
            continue
        if isinstance(value, DictConfig | ListConfig):
            value = resolved(value, key, problems)
        elif isinstance(value, int | float) and key in FREE_TEXT and OmegaConf.is_interpolation(node, name):
            value = str(value)  # of another key, and not a number that somebody wrote for text
        found.append((name, value))
    return [value for _, value in found] if isinstance(node, ListConfig) else dict(found)


def selected(config: DictConfig, key: str) -> Any:
    """Return what a key is; None if there is none.

    Raises:
        ConfigError: if an interpolation in it cannot be resolved.
    """
    try:
        found = OmegaConf.select(config, key)
        return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    except OmegaConfBaseException as error:
        raise ConfigError([Problem(key, joined(first_line(error)))]) from None


def _unresolved(node: DictConfig | ListConfig, name: str, key: str, error: OmegaConfBaseException) -> Problem:
    if isinstance(error, MissingMandatoryValue):
        return Problem(key, f"must be given, as {key}=...", kind="missing")
    sources = node.get("sources") if isinstance(node, DictConfig) and name == "source" else None
    if sources and isinstance(error, InterpolationKeyError):
        return Problem(key.removesuffix(".source"), f"has no checkpoint for this base; it has {', '.join(sources)}")
    literal = "; \\${...} is the text itself" if isinstance(error, InterpolationKeyError) else ""
    return Problem(key, f"{joined(first_line(error))}{literal}")


@contextmanager
def without_hydra(config: DictConfig) -> Iterator[None]:
    """Take Hydra's own node out of a config meanwhile; a copy without it would cost a third of composing."""
    struct = OmegaConf.is_struct(config)
    OmegaConf.set_struct(config, False)
    hydra = taken_out(config, "hydra")
    try:
        yield
    finally:
        with flag_override(config, "no_deepcopy_set_nodes", True):
            config["hydra"] = hydra
        OmegaConf.set_struct(config, struct)
