"""Clears a directory of an earlier run's files, so that no record ever stands beside images it does not list."""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from tcdflow.errors import OutputError, RecordError
from tcdflow.files.hashes import has_hash
from tcdflow.record import document
from tcdflow.record.atomic import PARTIAL
from tcdflow.record.document import Record
from tcdflow.spec.formats import all_formats

INPUTS = "inputs"
_STEM = r"(\d{3,4}|animation(_\d{3,4})?)"
_FIXED = rf"grid\.png|control_[A-Za-z0-9_-]{{1,100}}\.png|{INPUTS}/[A-Za-z][A-Za-z0-9_-]{{0,100}}\.png"


def remove_earlier(directory: Path) -> None:
    """Remove the files that the record in ``directory`` lists and a run writes, and nothing else.

    The record may be untrusted: names that no run gives are left alone, unless the record knows the content, and a
    symbolic link, be it the record, an image or ``inputs``, is removed itself and never followed.

    Raises:
        OutputError: if the directory cannot be written; nothing was removed then.
    """
    remove_link(directory / document.FILE_NAME)
    try:
        record = document.read(directory)
    except RecordError:
        return
    if record.status == "done":
        record.status = "running"  # or whoever is killed now leaves one that says done, without its images
        record.write(directory)
    for output in record.outputs:  # the run chose its name (output.name); the content is nobody else's
        if has_hash(directory / output.file, output.sha256):
            with contextlib.suppress(OSError):
                (directory / output.file).unlink()
    inputs = directory / INPUTS
    remove_link(inputs)
    ours = _ours()
    for name in _listed(record):
        if ours.fullmatch(name):
            with contextlib.suppress(OSError):
                (directory / name).unlink()
    with contextlib.suppress(OSError):
        inputs.rmdir()  # which it does only if it is empty


def would_replace(directory: Path, path: Path) -> bool:
    """Say whether a run in ``directory`` may remove or overwrite a file there, by its name."""
    try:
        name = path.resolve().relative_to(directory.resolve()).as_posix()
    except (OSError, ValueError):
        return False
    return _ours().fullmatch(name) is not None


def folder_in_the_way(directory: Path) -> str | None:
    """Return the name of a folder there that has the name of a file that runs write."""
    ours = _ours()
    try:
        names = sorted(path.name for path in directory.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return None
    return next((name for name in names if name == document.FILE_NAME or ours.fullmatch(name)), None)


def remove_partial(directory: Path) -> None:
    """Remove what a killed process has left half written there and one level below; the caller holds the directory."""
    below = [path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()]
    for folder in (directory, *below):
        for path in folder.glob(f"{PARTIAL}*"):
            if path.is_file() or path.is_symlink():
                with contextlib.suppress(OSError):
                    path.unlink()


def remove_link(path: Path) -> None:
    """Remove ``path`` if it is a symbolic link: whoever laid it must not choose where a run writes.

    So are pipes and the like, at which writing would wait.
    """
    kind = _kind(path)
    if kind is not None and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        with contextlib.suppress(OSError):
            path.unlink()


def _ours() -> re.Pattern[str]:
    """Return the names that a run gives: those of images and animations have the suffix of any format."""
    suffixes = "|".join(re.escape(suffix) for suffix in sorted({".json", *(one.suffix for one in all_formats())}))
    return re.compile(rf"{_STEM}({suffixes})|{_FIXED}")


def _listed(record: Record) -> Iterator[str]:
    for output in record.outputs:
        yield output.file
        if output.sidecar:
            yield output.sidecar
    for given in record.inputs:
        yield given.file
    if record.grid:
        yield record.grid.file


def _kind(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except OSError:
        return None


def own_folder(folder: Path) -> Path:
    """Return a folder within a run's directory, made if it is not there; a link in its place is removed.

    Raises:
        OutputError: if it cannot be made.
    """
    remove_link(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError.of(folder, error, "made") from error
    return folder
