"""A sweep's directory: its plan, its cells, and which of them are done. One process at a time runs it."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tcdflow.errors import ConfigError, NoRoomError, OutputError, Problem, RecordError
from tcdflow.files.exclusive import BusyError, lock
from tcdflow.files.hashes import has_hash
from tcdflow.record import document
from tcdflow.record.cleanup import remove_link, remove_partial
from tcdflow.record.document import Record
from tcdflow.record.in_place import open_in_place
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.plan import CELLS, Cell, Plan

log = logging.getLogger(__name__)

State = Literal["done", "failed", "open"]
LOG = "sweep.log"
LOCK = ".running"
WORKER = ".working"
_GONE = 30.0
"""Seconds that workers of a killed process are given to notice and end."""
_SHOWN = 20


def cell_path(directory: Path, cell: Cell) -> Path:
    """Return the run directory of a cell."""
    return directory.joinpath(CELLS, cell.name)


def freeze(directory: Path, plan: Plan) -> Plan:
    """Write a plan into a new sweep directory, or return the one that is there if it makes the same cells.

    Its settings are then those of ``plan``, which change no cell: what to do on failure, where the images go.

    Raises:
        ConfigError: if there is another plan, with the difference.
    """
    there = frozen(directory, plan)
    if there is not None:
        if there.settings == plan.settings:
            return there
        plan = there.model_copy(update={"settings": plan.settings})
    plan.write(directory)
    return plan


def frozen(directory: Path, plan: Plan) -> Plan | None:
    """Return the plan that is there, which makes the same cells; None if there is none.

    Raises:
        ConfigError: if there is another plan, with the difference.
    """
    check_room(directory)
    if not (directory / plans.FILE_NAME).exists():
        return None
    there = plans.read(directory)
    difference = there.difference(plan)
    if difference:
        shown = ", ".join(difference[:_SHOWN]) + (
            f" and {len(difference) - _SHOWN} more" if difference[_SHOWN:] else ""
        )
        what = f"{directory} holds another plan: {shown}; choose another directory, or tcdflow resume {directory}"
        raise ConfigError([Problem("hydra.sweep.dir", what)])
    return there


def check_room(directory: Path) -> None:
    """Refuse a directory that is anything else than that of a planned sweep.

    Raises:
        ConfigError: naming what is there.
    """
    kind = document.kind_of(directory)
    if kind is not None and not (directory / plans.FILE_NAME).exists():
        what = f"holds a {kind}, and a sweep needs a directory of its own; choose another directory"
        raise ConfigError([Problem("hydra.sweep.dir", what, str(directory))])


def state(directory: Path, cell: Cell) -> tuple[State, Record | None]:
    """Say how far a cell is. It is done only if its record says so, its key matches, and so does each output's hash."""
    path = cell_path(directory, cell)
    try:
        record = document.read(path)
    except RecordError:
        return "open", None
    if record.key not in (cell.key, None) or record.status not in ("done", "failed"):
        return "open", record
    if record.status == "failed":
        # It was no fault of the cell that there was no room left.
        no_room = record.error is not None and record.error.type == NoRoomError.__name__
        return "open" if no_room else "failed", record
    whole = record.key == cell.key and bool(record.outputs)
    whole = whole and all(has_hash(path / output.file, output.sha256) for output in record.outputs)
    return ("done", record) if whole else ("open", record)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold a sweep directory; the system lets go of it when the process ends, however it does.

    Raises:
        ConfigError: if another process is running the sweep.
        OutputError: if the directory cannot be written.
    """
    if (directory / CELLS).is_symlink():
        what = f"{directory / CELLS} is a link, which may lead anywhere; sweeps write into a directory of their own"
        raise ConfigError([Problem("hydra.sweep.dir", what)])
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = _held(directory)
    except OSError as error:
        raise OutputError.of(directory, error) from error
    with os.fdopen(file):
        _outlive_workers(directory)
        remove_partial(directory)
        yield


def is_running(directory: Path) -> bool:
    """Say whether a process is running the sweep of a directory; where the system has no locks, none seems to."""
    try:
        file = os.open(directory / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(file, "rb"):
        return _is_held(file)


def finished(directory: Path) -> None:
    """Take away the lock file of a sweep that has ended; the caller holds it."""
    with contextlib.suppress(OSError):
        (directory / LOCK).unlink()


def _held(directory: Path) -> int:
    """Return the open lock file, locked. One that its last holder has just removed holds nobody off: it is made anew.

    Raises:
        ConfigError: if another process is running the sweep.
    """
    path = directory / LOCK
    while True:
        file = open_in_place(path, os.O_RDWR)
        try:
            if not lock(file):
                log.warning("%s: cannot be locked here: see to it that no other process runs it", directory)
            if os.path.samestat(path.stat(), os.fstat(file)):
                return file
        except BusyError:
            os.close(file)
            what = f"another process is running {directory}; wait for it, or choose another directory"
            raise ConfigError([Problem("hydra.sweep.dir", what)]) from None
        except FileNotFoundError:
            pass
        os.close(file)


def _outlive_workers(directory: Path) -> None:
    """Wait until no worker of an earlier process is left: Ray's notice a second or two late that theirs was killed.

    Raises:
        ConfigError: if some stay.
    """
    end = time.monotonic() + _GONE
    for path in directory.glob(f"{WORKER}*"):
        remove_link(path)
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # its worker has just ended, or none has made it
            continue
        with os.fdopen(file):
            while _is_held(file):
                if time.monotonic() > end:
                    what = f"workers of an earlier process still run {directory}; wait for them, or end them"
                    raise ConfigError([Problem("hydra.sweep.dir", what)])
                time.sleep(0.1)
            path.unlink(missing_ok=True)


def _is_held(file: int) -> bool:
    try:
        lock(file)
    except BusyError:
        return True
    return False


@contextlib.contextmanager
def among_others(directory: Path) -> Iterator[None]:
    """Hold a sweep directory as one of the workers of the process that does (:func:`alone`)."""
    file, name = tempfile.mkstemp(prefix=WORKER, dir=directory)
    try:
        lock(file)
        yield
    finally:
        os.close(file)
        Path(name).unlink(missing_ok=True)
