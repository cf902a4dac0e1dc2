"""The life of a run directory: started before anything is loaded, and true whatever happens after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.artifacts.lock import LockedFile
from tcdflow.errors import OutputError, RecordError
from tcdflow.record import document
from tcdflow.record.document import Failure, Record, Status
from tcdflow.record.environment import versions
from tcdflow.record.key import run_key
from tcdflow.record.pictures import save_png
from tcdflow.spec.model import RunSpec


class RunDirectory:
    """Writes one run's directory. Use :meth:`open`, which sees to the record's status."""

    def __init__(self, path: Path, spec: RunSpec, record: Record) -> None:
        self.path = path
        self.record = record
        self._spec = spec

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        path: Path,
        spec: RunSpec,
        *,
        overrides: Sequence[str] = (),
        choices: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
    ) -> Iterator[RunDirectory]:
        """Start a run in ``path``; what is raised inside becomes the record's status and error.

        Raises:
            OutputError: if the directory cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be made: {error.strerror}") from error
        _clear(path)
        record = Record(
            started=_now(),
            spec=spec.model_dump(mode="json"),
            overrides=list(overrides),
            choices=dict(choices or {}),
            warnings=list(warnings),
            environment=versions(),
        )
        run = cls(path, spec, record)
        record.write(path)
        try:
            yield run
        except KeyboardInterrupt as error:
            run._end("interrupted", error)
            raise
        except BaseException as error:
            run._end("failed", error)
            raise
        run._end("done")

    def lock(self, files: Sequence[LockedFile]) -> None:
        """Set the lock, and with it the key."""
        self.record.lock = list(files)
        self.record.key = run_key(self._spec, files)

    def save(self, pictures: Sequence[tuple[Image.Image, int]]) -> None:
        """Write pictures, each with its seed, as ``000.png`` and so on."""
        recipe = (self._spec, self.record.lock) if self._spec.output.metadata == "full" else None
        for number, (image, seed) in enumerate(pictures):
            path = self.path / f"{number:03d}.png"
            self.record.outputs.append(save_png(image, path, seed=seed, recipe=recipe))

    def _end(self, status: Status, error: BaseException | None = None) -> None:
        self.record.status = status
        self.record.finished = _now()
        if error is not None:
            first = str(error).strip() or type(error).__name__
            self.record.error = Failure(type=type(error).__name__, message=first[:4000])
            # The run's own error matters more than that its record could not be written either.
            with contextlib.suppress(OutputError):
                self.record.write(self.path)
        else:
            self.record.write(self.path)


def _clear(path: Path) -> None:
    """Remove the pictures of an earlier run in this directory, as its record names them, and nothing else."""
    if not (path / document.FILE_NAME).exists():
        return
    with contextlib.suppress(RecordError, OSError):
        for output in document.read(path).outputs:
            (path / output.file).unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
