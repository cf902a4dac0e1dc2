"""The process that tells one tracker, so that no import, hang, crash or full disk of a client costs a run anything.

Its standard input is a line of JSON (:class:`Order`), then the path of a run directory a line, as runs are done. At the
end of the input all of the directory is looked through. One line of JSON (:class:`Report`) is its answer.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tcdflow.errors import RecordError, TcdflowError
from tcdflow.files.exclusive import BusyError, lock
from tcdflow.record.atomic import write_text
from tcdflow.record.document import FILE_NAME
from tcdflow.record.in_place import open_in_place
from tcdflow.spec.tracker import Tracker
from tcdflow.text import reason
from tcdflow.tracking.entry import NotDoneError, entry
from tcdflow.tracking.order import LATE, Failed, Order, Report

_MARK = ".tracked-"
"""Names of the files beside a record that say what was logged of it, by the name of the tracker."""
_MOST_FAILURES = 3
"""In a row, after which the rest is not tried."""


class _Log:
    """Logs run directories, each once."""

    def __init__(self, name: str, tracker: Tracker, ended: threading.Event) -> None:
        self._name = name
        self._tracker = tracker
        self._ended = ended
        self._in_a_row = 0
        self.report = Report()

    @property
    def given_up(self) -> bool:
        return self._in_a_row >= _MOST_FAILURES

    def log(self, directory: Path) -> None:
        try:
            one = entry(directory, self._ended.is_set)
            mark = directory / f"{_MARK}{self._name}"
            if _read(mark) == one.id:
                return
            with _alone(mark):
                if _read(mark) == one.id:
                    return
                self._tracker.log(one)
                write_text(mark, f"{one.id}\n", durable=False)
        except (NotDoneError, BusyError, RecordError) as error:  # it is no fault of the tracker's
            if isinstance(error, RecordError):
                self.report.failed.append(Failed(path=str(directory), reason=str(error)))
        except BaseException as error:
            said = str(error) if isinstance(error, TcdflowError) else f"{type(error).__name__}: {reason(error)}"
            self.report.failed.append(Failed(path=str(directory), reason=said))
            self._in_a_row += 1
        else:
            self._in_a_row = 0
            self.report.logged += 1


def main() -> int:
    """Do as the standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command ends this process by the end of its input
    os.nice(10)
    order = Order.model_validate_json(sys.stdin.readline())
    answer = _keep_output()
    tracker = order.tracking.tracker[order.name]
    for name, value in tracker.environment.items():
        os.environ.setdefault(name, value)
    ended = threading.Event()
    log = _Log(order.name, tracker, ended)
    for directory in _directories(order, ended):
        if log.given_up:
            break
        log.log(directory)
    os.write(answer, log.report.model_dump_json().encode() + b"\n")
    # Clients leave threads behind that may wait for a server.
    os._exit(1 if log.report.failed else 0)


def _keep_output() -> int:
    """Return a handle of the standard output, and let clients write to nowhere; TCDFLOW_DEBUG=1 shows their errors."""
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if os.environ.get("TCDFLOW_DEBUG") != "1":
        os.dup2(nowhere, 2)
    return answer


def _directories(order: Order, ended: threading.Event) -> Iterator[Path]:
    """Yield run directories as they are told, then all that there are."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line.rstrip("\n"))
        ended.set()
        lines.put(None)
        if order.wait is not None:  # whoever started this may be gone
            timer = threading.Timer(order.wait, os._exit, [LATE])
            timer.daemon = True
            timer.start()

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        yield order.directory / line
    yield from runs_below(order.directory)


def runs_below(directory: Path) -> list[Path]:
    """Return the directories of runs and distillations in and below a directory, by name; links are not followed."""
    found = [Path(folder) for folder, _, files in os.walk(directory) if FILE_NAME in files]
    return sorted(found)


@contextlib.contextmanager
def _alone(mark: Path) -> Iterator[None]:
    """Hold off other processes that would tell the tracker of the same run: of a sweep under way, ``tcdflow track``.

    Raises:
        BusyError: if one does so now.
        OutputError: if it could not be remembered that it was told.
    """
    handle = open_in_place(mark, os.O_RDWR)
    try:
        lock(handle)
        yield
    finally:
        os.close(handle)


def _read(mark: Path) -> str:
    try:
        return mark.read_text("utf-8").strip() if mark.stat().st_size < 100 and not mark.is_symlink() else ""
    except (OSError, ValueError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
