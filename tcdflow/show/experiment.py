"""A run's settings as an experiment file: every key, so that no preset and no default changes what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from tcdflow.files.lock import LockedFile
from tcdflow.files.source import at_commit
from tcdflow.record.settings import HEAD, Settings, json_text, settings
from tcdflow.spec.model import RunSpec
from tcdflow.text import one_line, printable

Tree = dict[str, "str | Tree"]
"""Nested keys, their values as texts of YAML."""

_PLAIN = re.compile(r"(?!(y|n|yes|no|on|off|true|false|null)$)[a-z_]\w*", re.I | re.A)
_INTERPOLATION = re.compile(r"(\\*)\$\{")


def of_run(spec: RunSpec, lock: Sequence[LockedFile], about: Sequence[str]) -> str:
    """Return an experiment file that composes to a run's key with the files of its lock.

    Sources on the hub are named with the commit that the run read.

    Args:
        spec: of the run.
        lock: its files.
        about: lines on where it comes from, for the comments at its beginning.
    """
    found = settings(spec.model_dump(mode="json"))
    commits = {(file.role, file.source): file.revision for file in lock if file.revision}
    pinned = {role: at_commit(source, commit) for (role, source), commit in commits.items()}
    for need in spec.needs():
        if (text := pinned.get(need.role)) and found.get(need.key) == json_text(need.source):
            found = Settings({**found, need.key: json_text(text)})
    head, *defaults = HEAD.splitlines()
    comments = [f"# {one_line(line)}" for line in about]
    return printable("\n".join([head, *comments, *defaults, *lines(tree(found))]) + "\n")


def tree(found: Mapping[str, str]) -> Tree:
    """Return settings by dotted keys as nested ones; interpolations that OmegaConf would read are escaped."""
    root: Tree = {}
    for key, text in found.items():
        *parents, last = key.split(".")
        node = root
        for name in parents:
            child = node.setdefault(name, {})
            assert isinstance(child, dict), "a key holds a value or keys"
            node = child
        node[last] = value(text)
    return root


def value(text: str) -> str:
    """Return a JSON text as YAML that OmegaConf takes as it stands."""
    return _INTERPOLATION.sub(r"\1\1\\\\${", text)


def lines(node: Tree, indent: str = "") -> Iterator[str]:
    """Yield the lines of nested settings."""
    for name, child in node.items():
        safe = name if _PLAIN.fullmatch(name) else json.dumps(name)
        if isinstance(child, dict):
            yield f"{indent}{safe}:"
            yield from lines(child, f"{indent}  ")
        else:
            yield f"{indent}{safe}: {child}"
