"""Entries: what trackers are told of runs and distillations, read from their directories, which may be untrusted."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tcdflow.distill import record as distillations
from tcdflow.distill import validation_record as validations
from tcdflow.distill.directory import LOG
from tcdflow.errors import RecordError
from tcdflow.files.hashes import has_hash
from tcdflow.record import document
from tcdflow.record.data import is_number, opened
from tcdflow.record.document import FILE_NAME, is_distillation
from tcdflow.record.pixels import frames_of
from tcdflow.record.settings import settings
from tcdflow.spec.tracker import Entry, Finding, TrackedImage, Value
from tcdflow.sweeps.plan import CELLS
from tcdflow.text import about, printable, shortened

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}", re.ASCII)
_LONGEST = 500
"""Characters of a caption or name."""
_PAUSE = 1.0
"""Seconds between two looks at the log of a distillation under way."""
_RUNS, _DISTILLATIONS = "runs", "distillations"
"""The groups of what is of no sweep."""


class NotDoneError(Exception):
    """A run or distillation is not done yet: it is logged another time."""


def entry(directory: Path, ended: Callable[[], bool]) -> Entry:
    """Return the entry of a directory with a ``run.json``.

    Args:
        directory: of the run or distillation.
        ended: whether a distillation is not under way any more; until then its curves wait for more.

    Raises:
        NotDoneError: if it is a run that is not done.
        RecordError: if its record cannot be read.
    """
    return _Distillation(directory, ended) if is_distillation(directory) else _Run(directory)


class _OfDirectory(Entry):
    """What the entries of runs and distillations share."""

    def __init__(self, directory: Path, key: str, started: str, spec: Mapping[str, Any], group: str) -> None:
        place = directory.absolute()
        of_sweep = place.parent.name == CELLS
        self.key = key
        self.id = hashlib.sha256(f"{key}\0{place}".encode("utf-8", "surrogateescape")).hexdigest()
        self.root = place.parent.parent if of_sweep else place
        self.group = _line(self.root.name if of_sweep else group)
        self.name = _line(place.name if of_sweep else f"{place.parent.name}/{place.name}")
        self.record = place / FILE_NAME
        self.started = _seconds(started)
        try:
            self.parameters = {name: _value(text) for name, text in settings(spec).items()}
        except ValueError as error:
            raise RecordError(about(self.record, str(error))) from None


class _Run(_OfDirectory):
    """A run that is done."""

    def __init__(self, directory: Path) -> None:
        record = document.read(directory)
        if record.status != "done" or record.key is None:
            raise NotDoneError
        super().__init__(directory, record.key, record.started, record.spec, _RUNS)
        self._record = record

    def curves(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        return iter(())

    def finding(self, images: int) -> Finding:
        record = self._record
        metrics = _numbers(record.execution.get("seconds"), "seconds.") | _numbers(record.execution.get("metrics"))
        prompt = record.spec.get("prompt")
        shown = [
            _image(path, f"{number:03d}", f"{prompt}, seed {output.seed}")
            for number, output in enumerate(record.outputs[:images])
            if _is_as_recorded(path := self.record.parent / output.file, output.sha256)
        ]
        return Finding(metrics, shown, _seconds(record.finished))


class _Distillation(_OfDirectory):
    """A distillation, perhaps under way."""

    def __init__(self, directory: Path, ended: Callable[[], bool]) -> None:
        record = distillations.read(directory)
        super().__init__(directory, record.key, record.started, record.spec, _DISTILLATIONS)
        self._ended = ended

    def curves(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        with opened(self.record.parent / LOG) as file:
            rest = b""
            while True:
                over = self._ended()  # asked before reading: what came until then is read
                rest += file.read()
                *lines, rest = rest.split(b"\n")
                yield from filter(None, map(_step, lines))
                if over:
                    return
                time.sleep(_PAUSE)

    def finding(self, images: int) -> Finding:
        directory = self.record.parent
        record = distillations.read(directory)
        if record.status != "done":
            raise NotDoneError
        metrics = _numbers(record.execution.get("seconds"), "seconds.")
        metrics |= _numbers(record.execution.get("losses"), "losses.")
        sheets = [(one.step, folder / validations.SHEET) for folder, one in validations.read(directory) if one.step]
        shown = [
            _image(path, f"validation_{step:08d}", f"validation after {step} steps, beside the teacher's")
            for step, path in sheets[-images:]
            if images
        ]
        return Finding(metrics, shown, _seconds(record.finished))


def _step(line: bytes) -> tuple[int, dict[str, float]] | None:
    """Return a line of a distillation's log; None for one that is none."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or not isinstance(step := read.pop("step", None), int):
        return None
    found = _numbers(read)
    for name in ("validation", "sharpness"):
        found |= _numbers(read.get(name), f"{name}.")
    return step, found


def _numbers(found: object, prefix: str = "") -> dict[str, float]:
    """Return the finite numbers of a mapping by name."""
    if not isinstance(found, Mapping):
        return {}
    return {
        f"{prefix}{name}": float(number)
        for name, number in found.items()
        if is_number(number) and _NAME.fullmatch(str(name))
    }


def _value(text: str) -> Value:
    """Return a setting as a tracker takes it: what is no single value stays JSON."""
    value = json.loads(text)
    return value if isinstance(value, str | int | float | bool) else text


def _is_as_recorded(path: Path, sha256: str) -> bool:
    if not path.is_symlink() and has_hash(path, sha256):
        return True
    raise RecordError(about(path, "is not the image that was recorded"))


def _image(path: Path, name: str, caption: str) -> TrackedImage:
    """Return an image; of an animation the frame in its middle."""
    frames = list(frames_of(path))
    shown = frames[len(frames) // 2]
    if path.suffix == ".png" and len(frames) == 1:
        png = path.read_bytes()
    else:
        buffer = io.BytesIO()
        shown.save(buffer, "PNG")
        png = buffer.getvalue()
    return TrackedImage(name, _line(caption), *shown.size, png)


def _line(text: str) -> str:
    return shortened(printable(" ".join(text.split())), _LONGEST)


def _seconds(moment: str | None) -> float:
    """Return a moment of a record in seconds since 1970; now for one that is none."""
    try:
        return datetime.fromisoformat(moment or "").timestamp()
    except (ValueError, OverflowError):
        return time.time()
