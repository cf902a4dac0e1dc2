"""Entries of ``loras``, ``embeddings`` and ``adapters`` made anew by a misspelt name, or by one that is not chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tcdflow.config.overrides import ParsedOverride
from tcdflow.errors import Problem
from tcdflow.spec.nearest import nearest

_TELLING = {"loras": "source", "embeddings": "source", "adapters": "kind"}
"""The groups whose entries have names, and what no entry is without."""


def explained(
    problem: Problem,
    plain: Mapping[str, Any],
    parsed: Sequence[ParsedOverride],
    options: Callable[[str], Iterable[str]],
) -> Problem:
    """Return a problem, said of the entry's name where that is what is wrong.

    ``loras.papercutt.weight=0.5`` makes an entry that lacks a source, which is not what the user has to hear.

    Args:
        problem: any.
        plain: the config that it was found in.
        parsed: the overrides of it.
        options: gives the names that can be chosen from a group.
    """
    group, _, rest = problem.key.partition(".")
    name, _, key = rest.partition(".")
    entries = plain.get(group)
    if _TELLING.get(group) != key or not isinstance(entries, Mapping) or key in (entries.get(name) or {}):
        return problem
    entry = f"{group}.{name}"
    source = next((item.text for item in reversed(parsed) if item.key.startswith(f"{entry}.")), problem.origin)
    stack = [other for other, settings in entries.items() if isinstance(settings, Mapping) and key in settings]
    presets = list(options(group))
    if name not in presets and (near := nearest(name, stack)):
        return Problem(entry, f"is not in the stack, which has {', '.join(stack)}", origin=source, nearest=near)
    near = name if name in presets else nearest(name, presets)
    if near is None:
        return problem
    what = f"has no {key}, since it is not chosen: '{group}=[{','.join([*stack, near])}]' takes it from its preset"
    return Problem(entry, what, origin=source, nearest=near if near != name else None)
