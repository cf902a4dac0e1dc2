"""What a problem gains once the configs are known: where in which file it stands, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from tcdflow.config.places import EXPERIMENT, LISTS, files, groups
from tcdflow.config.references import overlap
from tcdflow.errors import Problem

_MAX_BYTES = 1_000_000

OwnFile = Callable[[str], Path | None]
"""Returns a user's file of a config such as ``experiment/mine``; None for ours."""


def hinted(problem: Problem, own_file: OwnFile, user_dir: Path | None = None) -> Problem:
    """Return a problem with its place in a user's file, and with what to write where a preset was meant.

    It may be hinted where it is found and again with others, and gains each hint once.

    Args:
        problem: as it was found.
        own_file: of a config.
        user_dir: a user's config directory.
    """
    problem = _fitting(_renamed(_weight(_preset(problem)), user_dir), user_dir)
    shown = problem.origin or problem.key
    if problem.place is not None or not shown.endswith(".yaml") or "=" in shown:
        return problem
    file = own_file(shown.removesuffix(".yaml"))
    if file is None:
        return problem
    line = line_of(file, problem.key, problem.value) if problem.origin else None
    return replace(problem, place=f"{_short(file)}:{line}" if line else str(_short(file)))


def overshadowed(problem: Problem, refused: Sequence[Problem]) -> bool:
    """Say whether a problem may be there only since something else was refused: an override, a preset."""
    if not refused:
        return False
    return problem.kind in ("missing", "for another") or any(overlap(problem.key, other.key) for other in refused)


def line_of(file: Path, key: str, value: object = None) -> int | None:
    """Return the line of a file, from 1, where a dotted key stands, less the part of the key that its package is."""
    try:
        node = yaml.compose(file.read_text("utf-8-sig"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return None
    parts = key.split(".")
    for start in range(len(parts)):
        if found := _find(node, parts[start:]):
            return found.start_mark.line + 1
    return _default(node, key, str(value))


def _find(node: yaml.Node | None, parts: Sequence[str]) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and parts[0].isdigit() and int(parts[0]) < len(node.value):
        child: yaml.Node = node.value[int(parts[0])]
        return child if len(parts) == 1 else _find(child, parts[1:])
    for name, below in node.value if isinstance(node, yaml.MappingNode) else ():
        if name.value == parts[0]:
            return name if len(parts) == 1 else _find(below, parts[1:])
    return None


def _default(node: yaml.Node | None, group: str, value: str) -> int | None:
    """Return the line of the entry in a list of defaults that chooses from a group, or holds a value."""
    listed = _find_value(node, "defaults")
    for entry in listed.value if isinstance(listed, yaml.SequenceNode) else ():
        for name, chosen in entry.value if isinstance(entry, yaml.MappingNode) else [(entry, entry)]:
            words = {part.strip("/") for part in name.value.split()} | _texts(chosen)
            if group in words or value in words or value.endswith(f"{name.value}: {chosen.value}"):
                return int(entry.start_mark.line) + 1
    return int(listed.start_mark.line) + 1 if listed is not None and group == "defaults" else None


def _texts(node: yaml.Node) -> set[str]:
    return {str(one.value) for one in node.value} if isinstance(node, yaml.SequenceNode) else {str(node.value)}


def _find_value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _short(file: Path) -> Path:
    """Return a path as short as it can be typed."""
    try:
        return file.relative_to(Path.cwd())
    except (ValueError, OSError):
        return file


def _preset(problem: Problem) -> Problem:
    """Say how a file chooses a preset, where it gave a name in place of a group's settings."""
    key, value = problem.key, problem.value
    if problem.kind != "no mapping" or key not in groups() or not isinstance(value, str) or value == "null":
        return problem
    name = value if value.startswith("[") or key not in LISTS else f"[{value}]"
    name = name.replace("'", "")
    what = f"is a group of settings; a file chooses a preset with 'defaults: [override /{key}: {name}]'"
    if key == EXPERIMENT:
        what = f"an experiment takes another by its name alone, first in its list: 'defaults: [{name}]'"
    return replace(problem, what=what, kind=None)


def _weight(problem: Problem) -> Problem:
    """Say how a LoRA or adapter is weighted, where a number took the place of its settings."""
    group, _, name = problem.key.partition(".")
    if problem.kind != "no mapping" or group not in _WEIGHTS or not name or "." in name:
        return problem
    if isinstance(problem.value, bool) or not isinstance(problem.value, int | float):
        return problem
    what = f"must be a mapping of its settings; {problem.key}.{_WEIGHTS[group]}={problem.value} is its weight"
    return replace(problem, what=what, kind=None)


_WEIGHTS = {"loras": "weight", "adapters": "scale"}
"""Keys of what is often given as a number."""


def _fitting(problem: Problem, user_dir: Path | None) -> Problem:
    """Say which bases fit a LoRA or adapter of another family, and which of its kind fit the base."""
    misfit = problem.misfit
    group = problem.key.partition(".")[0]
    if misfit is None or group not in LISTS:
        return problem
    more = [user_dir] if user_dir is not None else []
    bases = [path.stem for path in files("base", *more) if not _families(path).isdisjoint(misfit.trained_for)]
    others = [path.stem for path in files(group, *more) if misfit.base in _families(path)]
    fits = [f"it fits base={' or '.join(bases)}"] if bases else []
    fits += [f"{misfit.base} has {group}=[{'] or ['.join(others)}]"] if others else []
    return replace(problem, what="; ".join([problem.what, *fits]), misfit=None)


def _families(path: Path) -> set[str]:
    """Return the families that a preset, or its one entry, names: its own, or those that it has a source for."""
    try:
        content = yaml.safe_load(path.read_text("utf-8-sig")) if path.stat().st_size < _MAX_BYTES else None
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return set()
    entries = [content, *content.values()] if isinstance(content, dict) else []
    found = [entry for entry in entries if isinstance(entry, dict)]
    names = {str(entry["family"]) for entry in found if "family" in entry}
    return names.union(*(entry["sources"] for entry in found if isinstance(entry.get("sources"), dict)))


def _renamed(problem: Problem, user_dir: Path | None) -> Problem:
    """Say that a file was overlooked for its suffix."""
    if user_dir is None or not isinstance(problem.value, str) or problem.key not in groups():
        return problem
    file = user_dir / problem.key / f"{problem.value.removesuffix('.yml')}.yml"
    try:
        overlooked = ".." not in problem.value and file.is_file()
    except (OSError, ValueError):
        return problem
    if not overlooked:
        return problem
    what = f"is not read, since names of configs end in .yaml; rename {_short(file)} to {file.stem}.yaml"
    return replace(problem, what=what, nearest=None)
