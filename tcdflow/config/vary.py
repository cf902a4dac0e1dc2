"""Overrides of an existing spec, such as a record's: set on plain data, without groups or Hydra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.types import Glob, Override, Sweep
from pydantic import ValidationError

from tcdflow.config.guard import forbidden, walk
from tcdflow.config.overrides import parse
from tcdflow.config.seeds import RandomSeeds
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec import rules
from tcdflow.spec.model import RunSpec
from tcdflow.spec.problems import problems_of

DIRECTORY = "hydra.run.dir"
_INSTEAD = {
    "base": "base.source=... and base.family=...",
    "loras": "loras.NAME.source=... or loras.NAME.weight=..., ~loras.NAME removes one",
    "embeddings": "embeddings.NAME.source=..., ~embeddings.NAME removes one",
    "adapters": "adapters.NAME.source=..., ~adapters.NAME removes one",
    "scheduler": "scheduler.name=...",
    "task": "task.name=...",
    "sampling": "sampling.steps=... and so on",
    "runtime": "runtime.dtype=... and so on",
    "output": "output.format=... and so on",
    "experiment": "the keys that it would set",
}
"""What to say in place of choosing a config of a group."""


def split(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the overrides that change a spec, and those that say where to write.

    Raises:
        ConfigError: if another setting of Hydra's is among them.
    """
    changes = [text for text in overrides if not _bare(text).startswith("hydra")]
    others = [text for text in overrides if _bare(text).startswith("hydra")]
    problems = [
        Problem(_bare(text), f"of Hydra's settings only {DIRECTORY} can be given here", origin=text)
        for text in others
        if _bare(text) != DIRECTORY or "=" not in text
    ]
    if problems:
        raise ConfigError(problems)
    return changes, others


def vary(spec: RunSpec, overrides: Sequence[str]) -> RunSpec:
    """Return a spec with some keys set, typed and held against the rules.

    Args:
        spec: what to start from.
        overrides: ``key=value`` in Hydra's grammar; ``~key`` removes a key, which then has its default.

    Raises:
        ConfigError: with every violation found.
    """
    if not overrides:
        return spec
    seeds = RandomSeeds()
    plain = deepcopy(spec.model_dump(mode="json"))
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for text in overrides:
        try:
            override = parse(seeds.override(text))
        except ValueError as error:
            problems.append(Problem(_bare(text), str(error), origin=text))
            continue
        texts[override.key_or_group] = text
        found = _problems(override, text)
        problems += found or _set(plain, override, text)

    def origin(key: str) -> str | None:
        names = [name for name in texts if key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.")]
        return texts[names[-1]] if names else None

    try:
        varied = RunSpec.model_validate(plain)
        problems += [replace(problem, origin=origin(problem.key)) for problem in rules.problems(varied)]
    except ValidationError as error:
        problems += problems_of(error, RunSpec, origin)
    if problems:
        raise ConfigError(problems)
    return varied


def _bare(text: str) -> str:
    return text.partition("=")[0].lstrip("+~")


def _problems(override: Override, text: str) -> list[Problem]:
    key, value = override.key_or_group, override.value()
    if isinstance(value, Sweep | Glob):
        return [Problem(key, "has several values; a record is made again once, not swept", origin=text)]
    if override.package is not None or (key in _INSTEAD and not override.is_delete() and not isinstance(value, dict)):
        instead = _INSTEAD.get(key, "keys")
        return [Problem(key, f"is a group of configs, and a record has none; set {instead}", origin=text)]
    plain = {key: value}
    return [Problem(name, reason, origin=text) for name, item in walk(plain) if (reason := _not_plain(name, item))]


def _not_plain(key: str, value: object) -> str | None:
    if isinstance(value, str) and "${" in value:
        return "nothing is interpolated in a record; write the value itself"
    return forbidden(key, value)


def _set(plain: dict[str, Any], override: Override, text: str) -> list[Problem]:
    node: Any = plain
    *parents, last = override.key_or_group.split(".")
    for depth, part in enumerate(parents):
        # A key that nobody knows is made here and refused, with the nearest name, where the whole is typed.
        child = node.get(part)
        node[part] = node = {} if child is None else child
        if not isinstance(node, Mapping):
            what = "holds a value and no keys"
            return [Problem(".".join(parents[: depth + 1]), what, origin=text)]
    if not override.is_delete():
        node[last] = override.value()
    elif last in node:
        del node[last]
    else:
        return [Problem(override.key_or_group, "there is no such key to remove", origin=text)]
    return []
