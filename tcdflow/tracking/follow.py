"""Has trackers told of runs while they are made, each by a process of its own that is given some time at the end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from tcdflow.errors import OutputError
from tcdflow.record.atomic import write_text
from tcdflow.record.data import read_model
from tcdflow.spec.tracker import UNTRACKED, Tracker, Tracking
from tcdflow.text import printable, shortened
from tcdflow.tracking.order import LATE, Order, Report

FILE_NAME = ".tracker.json"
"""The trackers of a sweep or distillation, which goes on with them when it is resumed, and those that failed."""
_MAX_BYTES = 100_000
_GRACE = 2.0
"""Seconds that a process has to end itself before it is killed."""

_INTERRUPTED = 5.0
"""Seconds that it is waited for where the command itself ends early."""

Told = Callable[[Path], None]
"""Takes the directory of a run that is done."""


@contextlib.contextmanager
def followed(directory: Path, tracking: Tracking, warn: Callable[[Iterable[str]], None]) -> Iterator[Told]:
    """Tell trackers of the runs of a directory, from their records.

    What is raised inside goes on its way; what a tracker does wrong is a warning.

    Args:
        directory: of the run, sweep or distillation.
        tracking: the trackers.
        warn: takes warnings.

    Yields:
        What takes the directory of each run once it is done. Those that were done before, and those that it missed,
        are found at the end.
    """
    processes = [_Process(directory, tracking, name) for name in tracking.tracker]

    def told(run: Path) -> None:
        for process in processes:
            process.tell(run)

    limit: float | None = _INTERRUPTED  # an error or Ctrl-C is not kept waiting
    try:
        yield told
        limit = None
    finally:
        for process in processes:
            process.close()
        for process in processes:
            if lacking := list(process.end(limit)):
                remember(directory, tracking)  # with which it is to go on
                warn(lacking)


def remember(directory: Path, tracking: Tracking) -> None:
    """Write down what trackers a directory has, for whoever resumes what is made there."""
    if tracking.tracker:
        with contextlib.suppress(OutputError):  # a full disk is told of by what fills it
            write_text(directory / FILE_NAME, tracking.model_dump_json(indent=2) + "\n", durable=False)


def remembered(directory: Path) -> Tracking:
    """Return the trackers that :func:`remember` wrote down; none where nothing is.

    Raises:
        RecordError: if the file is damaged.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        return UNTRACKED
    return read_model(path, Tracking, most=_MAX_BYTES, what="file of trackers")


def track(directory: Path, tracking: Tracking) -> dict[str, Report | None]:
    """Tell trackers of all that is done in a directory, however long it takes; None for one that crashed.

    Raises:
        KeyboardInterrupt: once their processes are ended.
    """
    processes = {name: _Process(directory, tracking, name, limited=False) for name in tracking.tracker}
    for process in processes.values():
        process.close()
    return {name: process.report() for name, process in processes.items()}


class _Process:
    """The process that tells one tracker."""

    def __init__(self, directory: Path, tracking: Tracking, name: str, *, limited: bool = True) -> None:
        self._directory = directory
        self._name = name
        self._tracker: Tracker = tracking.tracker[name]
        wait = self._tracker.wait if limited else None
        self._limit = None if wait is None else wait + _GRACE
        order = Order(directory=directory, tracking=tracking, name=name, wait=wait)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tcdflow.tracking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is the command's
        )
        assert self._process.stdin is not None
        self._input = self._process.stdin.fileno()
        self._write(order.model_dump_json())
        os.set_blocking(self._input, False)  # a tracker that hangs holds nothing up

    def tell(self, run: Path) -> None:
        self._write(os.path.relpath(run, self._directory))

    def _write(self, line: str) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # it looks at everything at the end
            os.write(self._input, f"{line}\n".encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        """End its input: there are no more runs to come."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.stdin = None

    def report(self, limit: float | None = None) -> Report | None:
        """Wait for its answer; None if there is none, or it takes longer than it is given."""
        limits = [seconds for seconds in (limit, self._limit) if seconds is not None]
        try:
            answer, _ = self._process.communicate(timeout=min(limits, default=None))
            return Report.model_validate_json(answer)
        except (subprocess.TimeoutExpired, ValidationError):
            return None
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def end(self, limit: float | None) -> Iterator[str]:
        """Wait for its end, and yield a warning if it has not logged all."""
        found = self.report(limit)
        if found is not None and not found.failed:
            return
        late = self._process.returncode in (LATE, -signal.SIGKILL)
        why = f"was not through in time (tracker.{self._name}.wait)" if late else "ended without an answer"
        what = described(self._name, found) or f"tracker.{self._name} {why}"
        again = shlex.join(["tcdflow", "track", str(self._directory)])
        yield f"{what}; go on with: {printable(again)}"


def described(name: str, report: Report | None) -> str | None:
    """Say in a line what a tracker could not log; None where it gave no answer, or logged all."""
    if report is None or not report.failed:
        return None
    first = report.failed[0]
    where = shortened(printable(first.path), 200)
    return f"tracker.{name} failed {len(report.failed)} times, first with {where}: {first.reason}"
