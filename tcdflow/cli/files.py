"""The command line's output about files: present, to be fetched, and the progress of downloads."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tcdflow.files.artifact import Artifact
from tcdflow.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PAUSE = 5.0  # seconds between lines where there is no terminal


def show_files(artifacts: Iterable[Artifact]) -> None:
    """Print each part of a run with its files, their size, and how much of that is to be fetched."""
    for artifact in artifacts:
        here, missing = bytes_of(artifact)
        count = len(artifact.files)
        print(file_line(artifact.role, artifact.source, artifact.revision, count, here + missing, missing))


def file_line(role: str, source: str, revision: str | None, count: int, bytes: int, missing_bytes: int) -> str:
    """Return the line of one part of a run."""
    at = f" at {revision}" if revision else ""
    fetch = f", {megabytes(missing_bytes)} of them to be fetched" if missing_bytes else ""
    files = f"{count} file{'s' if count != 1 else ''}"
    return f"{role:<10}  {files}, {megabytes(bytes)}{fetch}: {printable(source)}{at}"


def bytes_of(artifact: Artifact) -> tuple[int, int]:
    """Return the bytes of an artifact's files that are here, and of those to be fetched."""
    return (
        sum((artifact.root / name).stat().st_size for name in _present(artifact)),
        sum(file.size for file in artifact.absent),
    )


def absent_bytes(artifacts: Iterable[Artifact]) -> int:
    """Return the bytes that are to be fetched; a file that several parts read counts once."""
    return sum({file.sha256: file.size for artifact in artifacts for file in artifact.absent}.values())


def megabytes(size: int) -> str:
    """Return a size as a person says it."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _present(artifact: Artifact) -> list[str]:
    absent = {file.name for file in artifact.absent}
    return [name for name in artifact.files if name not in absent]


class DownloadBar:
    """Shows how much of a download is here: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def progress(self, done: int, total: int) -> None:
        """Report that so many bytes of so many are here."""
        if not sys.stderr.isatty():
            self._line(done, total)
            return
        if self._progress is None or self._task is None:
            self._progress = _bar()
            self._task = self._progress.add_task("downloading", total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done)

    def _line(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shown_at or now - self._shown_at >= _PAUSE or done == total:
            self._shown_at = now
            print(f"downloading: {megabytes(done)} of {megabytes(total)}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
