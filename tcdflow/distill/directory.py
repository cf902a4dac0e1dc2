"""The directory of a distillation: who may write there, its record and its log of steps."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tcdflow.distill import record as records
from tcdflow.distill.prepare import PreparedDistillation
from tcdflow.distill.record import DataRecord, DistillRecord, ExportedFile
from tcdflow.errors import ConfigError, OutputError, Problem, RecordError, by_interrupt
from tcdflow.files.hashes import has_hash
from tcdflow.record.atomic import write_text
from tcdflow.record.cleanup import remove_link, remove_partial
from tcdflow.record.document import FILE_NAME, Failure, kind_of
from tcdflow.record.environment import versions
from tcdflow.record.in_place import open_in_place
from tcdflow.record.rundir import held
from tcdflow.text import unsigned

LOG = "log.jsonl"
_KEY = "hydra.run.dir"


class DistillDirectory:
    """An open directory. Use :meth:`open`.

    Attributes:
        path: of the directory.
        record: of the distillation; what went before in it is kept.
    """

    def __init__(self, path: Path, record: DistillRecord) -> None:
        self.path = path
        self.record = record

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, prepared: PreparedDistillation) -> Iterator[DistillDirectory]:
        """Begin or go on in a directory; what is raised inside becomes the record's status and error.

        Raises:
            ConfigError: if another distillation or run is there, or is under way there.
            OutputError: if it cannot be written.
        """
        with held(path):
            remove_partial(path)
            opened = cls(path, _earlier(path, prepared) or _new(prepared))
            if opened.is_done:
                yield opened
                return
            opened._begin(prepared)
            try:
                yield opened
                opened._end()
            except BaseException as error:
                with contextlib.suppress(OutputError):  # the error itself matters more
                    opened._end(error)
                raise

    @property
    def is_done(self) -> bool:
        """Whether all is there: the record says so, and the files have their hashes."""
        record = self.record
        return record.status == "done" and all(has_hash(self.path / one.file, one.sha256) for one in record.outputs)

    def cut_log(self, step: int) -> list[dict[str, Any]]:
        """Leave the log with the steps up to one, whose lines are returned: those after it are made again."""
        path = self.path / LOG
        remove_link(path)
        lines: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError):
            for text in path.read_text("utf-8", "replace").splitlines():
                with contextlib.suppress(ValueError):  # half a line, of a process that was killed
                    line = json.loads(text)
                    if isinstance(line, dict) and isinstance(line.get("step"), int) and line["step"] <= step:
                        lines.append(line)
        write_text(path, "".join(f"{json.dumps(line)}\n" for line in lines), durable=False)
        return lines

    def log(self, line: dict[str, Any]) -> None:
        """Append a step to the log."""
        with os.fdopen(open_in_place(self.path / LOG, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")

    def save(self, outputs: Sequence[ExportedFile], execution: dict[str, Any]) -> None:
        """Write the record with what there is by now."""
        self.record.outputs = list(outputs)
        self.record.execution |= execution
        self.record.write(self.path)

    def _begin(self, prepared: PreparedDistillation) -> None:
        record = self.record
        record.warnings = list(dict.fromkeys([*record.warnings, *prepared.warnings]))
        record.status, record.error, record.finished = "running", None, None
        record.write(self.path)

    def _end(self, error: BaseException | None = None) -> None:
        record = self.record
        record.finished = _now()
        record.status = "done" if error is None else "interrupted" if by_interrupt(error) else "failed"
        if error is not None:
            text = str(error).strip() or type(error).__name__
            record.error = Failure(type=type(error).__name__, message=unsigned(text)[:4000])
        record.write(self.path)


def _new(prepared: PreparedDistillation) -> DistillRecord:
    request = prepared.request
    return DistillRecord(
        key=prepared.key,
        started=_now(),
        overrides=list(request.overrides),
        choices=request.choices,
        spec=prepared.spec.model_dump(mode="json"),
        lock=list(prepared.lock),
        environment=versions(),
        data=DataRecord(examples=len(prepared.examples), sha256=prepared.data_sha256),
    )


def _earlier(path: Path, prepared: PreparedDistillation) -> DistillRecord | None:
    """Return the record of this distillation that is there already; None if there is none.

    Raises:
        ConfigError: if it is another's, saying in what.
    """
    remove_link(path / FILE_NAME)
    if kind_of(path) == "sweep":
        what = "holds a sweep, and a distillation needs a directory of its own; choose another directory"
        raise ConfigError([Problem(_KEY, what, str(path))])
    if not (path / FILE_NAME).exists():
        return None
    try:
        record = records.read(path)
    except RecordError:
        raise ConfigError([Problem(_KEY, "holds another run; choose another directory", str(path))]) from None
    if record.key != prepared.key:
        if _is_shorter(record, prepared):
            return _longer(record, prepared)
        raise ConfigError([Problem(_KEY, what, str(path)) for what in _differences(record, prepared)])
    return record


def _is_shorter(record: DistillRecord, prepared: PreparedDistillation) -> bool:
    """Say whether a record is of the same distillation with fewer steps, up to which both are the same.

    Raises:
        ConfigError: if it is, and what it has learned by then depends on how many steps there will be.
    """
    distill, before = prepared.spec.distill, _steps(record)
    if before is None or before >= distill.steps or prepared.key_after(before) != record.key:
        return False
    if distill.decay != "constant" or distill.staged:
        why = f"distill.method={distill.method}" if distill.staged else f"distill.decay={distill.decay}"
        what = f"was {before} when it was begun, and {why} went by that; leave it, or choose another hydra.run.dir"
        raise ConfigError([Problem("distill.steps", what, distill.steps)])
    return True


def _longer(record: DistillRecord, prepared: PreparedDistillation) -> DistillRecord:
    """Return the record as it goes on with more steps."""
    kept = ("started", "environment", "execution", "warnings", "data")
    update: dict[str, Any] = {name: getattr(record, name) for name in kept}
    return _new(prepared).model_copy(update=update | {"shorter": [*record.shorter, record.key]})


def _steps(record: DistillRecord) -> int | None:
    distill = record.spec.get("distill")
    steps = distill.get("steps") if isinstance(distill, dict) else None
    return steps if isinstance(steps, int) else None


def _differences(record: DistillRecord, prepared: PreparedDistillation) -> Iterator[str]:
    """Yield what of a distillation differs from the one that a directory was begun with."""
    now, found = prepared.spec.training_part(), False
    for part, settings in now.items():
        before = record.spec.get(part)
        before = before if isinstance(before, dict) else {}
        for name, value in settings.items():
            if before.get(name) != value:
                found = True
                yield f"was begun with {part}.{name}={before.get(name)}, now it is {value}; {_way_out(record, name)}"
    files = {(file.role, file.file): file.sha256 for file in prepared.lock}
    for file in record.lock:
        if files.get((file.role, file.file)) != file.sha256:
            found = True
            yield f"was begun with another {file.file} of {file.role}; choose another directory"
    if not found and record.data.sha256 != prepared.data_sha256:  # which depends on the others, too
        yield "was begun with other data (captions, images or their number); choose another directory"
    elif not found:
        yield "was begun by another version of tcdflow; choose another directory"


def _way_out(record: DistillRecord, name: str) -> str:
    """Return what can be done instead of changing a setting."""
    if name == "steps" and record.spec.get("data", {}).get("count", 0) is None:
        return f"with data.count={record.data.examples} its data stays the same and it may grow"
    return "choose another directory"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
