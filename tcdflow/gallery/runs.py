"""One run as the page shows it, read from its record, which may be untrusted, of another version or not there."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tcdflow.errors import RecordError
from tcdflow.gallery.data import Status
from tcdflow.record import document
from tcdflow.record.data import is_number
from tcdflow.record.document import Output, Record
from tcdflow.record.rundir import is_held
from tcdflow.record.settings import Settings, settings, sound
from tcdflow.spec.metrics import METRICS, ExecutionMetric
from tcdflow.text import first_line, shortened

_KEY = re.compile(r"[0-9a-f]{64}")
_ELSEWHERE = ("hydra.", "hydra/", "sweep.")
"""Overrides that say where to, or what else: alone they would write over the run, or say nothing."""
_MOST_IMAGES = 10_000


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        directory: of the run, as it was found.
        status: of the run; its images may be there whatever it is.
        reason: why it is not done.
        key: its run key; None if it is not known.
        settings: JSON texts by dotted keys.
        overrides: that made it.
        outputs: what it has made.
        metrics: numbers of the whole run by name.
        seconds: that it took.
        files: of each role of its lock, a hash over the files.
        again: whether ``tcdflow rerun`` makes it again; else only ``overrides`` do, as the words of a command.
        each: numbers of each of its outputs by name, that were measured later.
    """

    directory: Path
    status: Status
    reason: str | None = None
    key: str | None = None
    settings: Settings = field(default_factory=lambda: Settings({}))
    overrides: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    files: tuple[tuple[str, str], ...] = ()
    again: bool = True
    each: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        """The seeds that it was asked for, as far as its settings tell."""
        seed = self._plain("sampling.seed")
        if isinstance(seed, int):
            count = self._plain("sampling.num_images")
            return list(range(seed, seed + min(count, _MOST_IMAGES))) if isinstance(count, int) else [seed]
        return [one for one in seed[:_MOST_IMAGES] if isinstance(one, int)] if isinstance(seed, list) else []

    def _plain(self, key: str) -> Any:
        return json.loads(self.settings.get(key, "null"))


def read(directory: Path) -> Run:
    """Return the run of a directory by its record; what cannot be read is a reason."""
    try:
        if not stat.S_ISREG((directory / document.FILE_NAME).lstat().st_mode):
            return Run(directory, "missing", f"{document.FILE_NAME} is a link, which may lead anywhere")
        return of_record(directory, document.read(directory))
    except OSError as error:
        return Run(directory, "missing", f"{document.FILE_NAME} cannot be read: {error.strerror}")
    except RecordError as error:
        return Run(directory, "missing", shortened(sound(first_line(error)), 400))


def of_record(directory: Path, record: Record) -> Run:
    """Return a run by its record."""
    try:
        found = settings(record.spec)
    except (ValueError, RecursionError) as error:
        return Run(directory, "missing", first_line(error))
    status, reason = _status(directory, record)
    return Run(
        directory=directory,
        status=status,
        reason=reason,
        key=record.key if record.key and _KEY.fullmatch(record.key) else None,
        settings=found,
        overrides=own(record.overrides),
        outputs=tuple(record.outputs[:_MOST_IMAGES]),
        metrics=dict(_metrics(record.execution)),
        seconds=_sum(record.execution.get("seconds")),
        files=_files(tuple((file.role, file.file, file.sha256) for file in record.lock)),
    )


@lru_cache(maxsize=256)  # the same for many runs
def _files(lock: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str], ...]:
    roles: dict[str, list[str]] = {}
    for role, name, sha256 in sorted(lock):
        roles.setdefault(role, []).append(f"{name} {sha256}")
    return tuple(
        (sound(role), hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest())
        for role, texts in roles.items()
    )


def own(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return the overrides that say what a run makes, and not where, or what else a sweep makes."""
    return tuple(sound(text) for text in overrides if not text.lstrip("+~").startswith(_ELSEWHERE))


def _status(directory: Path, record: Record) -> tuple[Status, str | None]:
    if record.status == "done":
        return "done", None
    error = f"{record.error.type}: {record.error.message}" if record.error else None
    reason = shortened(sound(error), 2_000) if error else None
    if record.status == "failed":
        return "failed", reason or "failed"
    if record.status == "interrupted":
        return "missing", "interrupted"
    if is_held(directory):
        return "running", "is being made"
    return "failed", "the process that made it ended without a word: it was killed, or the machine went down"


def _metrics(execution: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers that a record has, and those that are computed from it."""
    recorded = execution.get("metrics")
    for name, value in recorded.items() if isinstance(recorded, dict) else ():
        if is_number(value):
            yield sound(str(name)[:100]), value
    for name, metric in METRICS.items():
        if isinstance(metric, ExecutionMetric):
            try:
                value = metric.measure(execution)
            except Exception:  # of a record that has not run, or is somebody's own
                continue
            if is_number(value):
                yield name, round(value, metric.digits)


def _sum(seconds: Any) -> float | None:
    values = [value for value in seconds.values() if is_number(value)] if isinstance(seconds, dict) else []
    return round(sum(values), 4) if values else None
