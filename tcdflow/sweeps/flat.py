"""The images of all cells side by side in one folder (``sweep.flat``), beside those in the directories of the cells."""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from tcdflow.errors import OutputError
from tcdflow.record.atomic import PARTIAL
from tcdflow.record.cleanup import remove_link
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.outcome import Outcome

FOLDER = "images"


class Folder:
    """The images of the cells that are done; where two have one name a number follows.

    An image without a name of its own (``output.name``) gets that of its cell. They are hard links where the file
    system has them, else copies. Files of others in the folder stay.

    Args:
        directory: of the sweep.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._images: dict[str, list[tuple[Path, str]]] = {}

    def take(self, outcome: Outcome) -> None:
        """Take the images of a cell, each with the name that it is to have, in the place of those that it had."""
        self._images[outcome.cell.name] = list(_images(self._directory, outcome))

    def write(self) -> None:
        """Put them into the folder, the cells in the order in which they were first taken.

        Raises:
            OutputError: if they cannot be written.
        """
        folder = self._directory / FOLDER
        try:
            remove_link(folder)
            folder.mkdir(exist_ok=True)
            # An untrusted directory may hold links.
            ours = {path: name for of_cell in self._images.values() for path, name in of_cell if _is_file(path)}
            made = {_identity(path) for path in ours}
            names: set[str] = set()
            for source, name in ours.items():
                target = _free(folder, name, names, made, source)
                names.add(target.name)
                _put(source, target)
            for path in folder.iterdir():
                if path.name not in names and _identity(path) in made:
                    path.unlink()  # from before, under another number
        except OSError as error:
            raise OutputError.of(folder, error) from error


def _images(directory: Path, outcome: Outcome) -> Iterator[tuple[Path, str]]:
    """Yield the images of a cell that is done, each with the name that it is to have."""
    if outcome.record is None or outcome.status not in ("done", "skipped"):
        return
    outputs, settings = outcome.record.outputs, outcome.record.spec.get("output")
    named = isinstance(settings, dict) and settings.get("name") is not None
    for output in outputs:
        path = cell_path(directory, outcome.cell) / output.file
        more = f"_{path.stem}" if len(outputs) > 1 else ""
        yield path, path.name if named else f"{outcome.cell.name}{more}{path.suffix}"


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _free(folder: Path, name: str, names: set[str], made: set[tuple[int, int]], source: Path) -> Path:
    """Return a path that is no other image's of this sweep, nor a file of somebody else's.

    A file with the bytes of the image is its own, from before: a copy, or of a cell that was made again.
    """
    first = Path(name)
    number = 1
    while True:
        path = folder / (name if number == 1 else f"{first.stem}-{number}{first.suffix}")
        if path.name not in names and (not os.path.lexists(path) or _identity(path) in made or _same(path, source)):
            return path
        number += 1


def _same(path: Path, source: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and filecmp.cmp(path, source, shallow=False)


def _put(source: Path, target: Path) -> None:
    if os.path.lexists(target) and _identity(target) == _identity(source):
        return
    partial = target.with_name(f"{PARTIAL}{secrets.token_hex(8)}")
    try:
        os.link(source, partial, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, partial, follow_symlinks=False)
    partial.replace(target)


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
