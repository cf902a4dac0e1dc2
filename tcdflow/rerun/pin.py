"""The very files of a recorded run: sources at the commits of its lock, and each file's hash compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcdflow.files.finder import Finder
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.pins import Pins
from tcdflow.files.resolve import Artifacts, Progress, fetch, look
from tcdflow.rerun.source import Recorded
from tcdflow.spec.model import RunSpec


@dataclass(frozen=True)
class Pinned:
    """The files of a run that is made again, known to be those of the lock wherever nothing else was asked for."""

    artifacts: Artifacts
    lock: tuple[LockedFile, ...]


def pin(
    recorded: Recorded,
    spec: RunSpec,
    *,
    unpickle: bool = False,
    progress: Progress = lambda done, total: None,
) -> Pinned:
    """Find the files of a recorded run and compare their hashes with its lock, before anything is loaded.

    Args:
        recorded: the run.
        spec: what is made: the recorded spec, or a variation of it. A part whose source the variation changes is
            not compared.
        unpickle: whether the person at the command line lets pickled weights be read.
        progress: is told of what is downloaded.

    Raises:
        ConfigError: if a source cannot be had, naming each file that is missing or has changed, with its hash then
            and now.
    """
    looked, locked = recheck(recorded, spec, unpickle=unpickle)
    return Pinned(Artifacts.of(fetch(looked, progress)), locked)


def recheck(recorded: Recorded, spec: RunSpec, *, unpickle: bool = False) -> tuple[Artifacts, tuple[LockedFile, ...]]:
    """Find the files of a recorded run, as :func:`pin` does, and download nothing large."""
    pins = Pins(recorded.lock)
    looked = look(spec, Finder(unpickle=unpickle), pins)
    locked = lock(looked)
    then, now = recorded.spec.model_dump(mode="json"), spec.model_dump(mode="json")
    pins.hold(file for file in locked if _said(then, file.role) == _said(now, file.role))
    return looked, locked


def _said(plain: Any, role: str) -> Any:
    """Return what of a spec decides which files a part reads."""
    for part in role.split("."):
        if isinstance(plain, list) and part.isdecimal() and int(part) < len(plain):
            plain = plain[int(part)]
        else:
            plain = plain.get(part) if isinstance(plain, dict) else None
    return (
        {name: plain.get(name) for name in ("source", "variant", "safety_checker")}
        if isinstance(plain, dict)
        else plain
    )
