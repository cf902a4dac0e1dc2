"""The very files of a recorded run: sources at the commits of its lock, and each file's hash compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcdflow.artifacts.lock import LockedFile, lock
from tcdflow.artifacts.resolve import Artifacts, resolve
from tcdflow.artifacts.source import at_commit, parse
from tcdflow.errors import SourceError, printable
from tcdflow.rerun.source import Recorded
from tcdflow.spec.model import RunSpec

_MOST_SAID = 10


@dataclass(frozen=True)
class Pinned:
    """The files of a run that is made again, known to be those of the lock wherever nothing else was asked for."""

    artifacts: Artifacts
    lock: tuple[LockedFile, ...]


def pin(recorded: Recorded, spec: RunSpec) -> Pinned:
    """Find the files of a recorded run and compare their bytes with its lock, before anything is loaded.

    Args:
        recorded: the run.
        spec: what is made: the recorded spec, or a variation of it. A part whose source the variation changes is
            neither pinned nor compared.

    Raises:
        ConfigError: if a source cannot be had.
        SourceError: naming each file that is missing or has changed, with its hash then and now.
    """
    then, now = recorded.spec.model_dump(mode="json"), spec.model_dump(mode="json")
    by_role: dict[str, dict[str, LockedFile]] = {}
    for file in recorded.lock:
        by_role.setdefault(file.role, {})[file.file] = file
    same = [role for role in by_role if _source(now, role) is not None and _source(now, role) == _source(then, role)]
    texts = dict(_at_commits(now, {role: next(iter(by_role[role].values())) for role in same}))
    asked = spec.model_dump(mode="json")
    # Which of a repository's variants is read goes by the lock, not by what this machine would choose.
    half = None if _said(then, "base") != _said(asked, "base") else any(".fp16." in file.file for file in recorded.lock)
    found = resolve(RunSpec.model_validate(now), half).by_role
    # The lock names a source as the spec does: its commit has a place of its own.
    artifacts = Artifacts({role: replace(part, source=texts.get(role, part.source)) for role, part in found.items()})
    locked = lock(artifacts)
    unchanged = [role for role in artifacts.by_role if _said(then, role) == _said(asked, role)]
    wrong = list(_wrong(unchanged, by_role, locked))
    if wrong:
        more = [f"... and {len(wrong) - _MOST_SAID} more"] if wrong[_MOST_SAID:] else []
        raise SourceError("\n".join(printable(line) for line in [*wrong[:_MOST_SAID], *more]))
    return Pinned(artifacts, locked)


def _at_commits(plain: dict[str, Any], first: Mapping[str, LockedFile]) -> Iterator[tuple[str, str]]:
    """Pin sources in ``plain`` and yield the role and former text of each that is pinned."""
    for role, file in first.items():
        text = _source(plain, role)
        if text is None or _is_picture(role):
            continue
        if file.revision is None:
            _stays_here(role, text)
        elif pinned := at_commit(text, file.revision):
            _put(plain, role, pinned)
            yield role, text


def _stays_here(role: str, text: str) -> None:
    """Refuse to look on the hub, where anybody may take a name, for what was a local folder or file."""
    try:
        hub = parse(text).kind == "hub"
    except SourceError:
        return  # which resolving it tells, with its key
    if hub:
        what = "was a folder or file of the machine where it was made, and here is none of that name"
        raise SourceError(printable(f"{role}: '{text}' {what}"))


def _is_picture(role: str) -> bool:
    *_, parent, last = role.split(".") if "." in role else ("", role)
    return last in ("image", "mask") or parent == "images"


def _wrong(
    roles: Sequence[str], by_role: Mapping[str, Mapping[str, LockedFile]], locked: Sequence[LockedFile]
) -> Iterator[str]:
    for role in roles:
        wanted = by_role.get(role, {})
        found = {file.file: file for file in locked if file.role == role}
        for name, file in found.items():
            if name not in wanted:
                yield f"{role}: {name} is not in the lock; here its sha256 is {file.sha256}"
            elif wanted[name].sha256 != file.sha256:
                yield f"{role}: {name} has changed: its sha256 was {wanted[name].sha256} and is {file.sha256}"
        for name in wanted.keys() - found.keys():
            yield f"{role}: {name} is missing; its sha256 was {wanted[name].sha256}"


def _node(plain: Any, role: str) -> Any:
    for part in role.split("."):
        if isinstance(plain, Mapping):
            plain = plain.get(part)
        elif isinstance(plain, list) and part.isdecimal() and int(part) < len(plain):
            plain = plain[int(part)]
        else:
            return None
    return plain


def _said(plain: dict[str, Any], role: str) -> tuple[Any, ...] | None:
    """Return what of a spec decides which files a part reads."""
    node = _node(plain, role)
    if isinstance(node, Mapping):
        return tuple(node.get(name) for name in ("source", "variant", "safety_checker"))
    return None if node is None else (node,)


def _source(plain: dict[str, Any], role: str) -> str | None:
    node = _node(plain, role)
    text = node.get("source") if isinstance(node, Mapping) else node
    return text if isinstance(text, str) else None


def _put(plain: dict[str, Any], role: str, text: str) -> None:
    parent, _, last = role.rpartition(".")
    holder = _node(plain, parent) if parent else plain
    if isinstance(holder, list):
        holder[int(last)] = text
    elif isinstance(holder[last], Mapping):
        holder[last]["source"] = text
    else:
        holder[last] = text
