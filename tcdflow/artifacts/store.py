"""Files of a source, wherever they are: listed, pinned to a commit, and brought to this machine.

The hub is reached through ``huggingface_hub`` alone, with its cache, its environment variables and its offline mode.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tcdflow import embedded
from tcdflow.artifacts.source import Source
from tcdflow.errors import SourceError

MOST_FILES = 20_000
"""More files than this within two levels are no model but somebody's home directory."""


class Store(Protocol):
    """The files of one source."""

    @property
    def revision(self) -> str | None:
        """Commit of a hub repository, version of an embedded model, None for a path."""

    def listing(self, inside: str = "") -> tuple[str, ...]:
        """Return the names of the files in a folder of the store and in that folder's folders, relative to it."""

    def fetch(self, names: tuple[str, ...]) -> Path:
        """Bring the files to this machine and return the folder that their names are relative to."""


@dataclass(frozen=True)
class Folder:
    """A local folder."""

    root: Path
    revision: str | None = None

    def listing(self, inside: str = "") -> tuple[str, ...]:
        """Return the names of the files in a folder and in its folders, and not deeper: no model has more levels.

        Links to folders are followed, as diffusers does; two levels cannot run in circles.

        Raises:
            SourceError: if the folder is missing, cannot be read, or holds far too many files.
        """
        found: list[str] = []
        for name in _files(self.root / inside):
            found.append(name)
            if len(found) > MOST_FILES:
                raise SourceError(f"holds more than {MOST_FILES:,} files and is no model folder")
        return tuple(sorted(found))

    def fetch(self, names: tuple[str, ...]) -> Path:
        """Return the folder; it is here already."""
        return self.root


def open_store(source: Source) -> Store:
    """Return the store that holds a source.

    Raises:
        SourceError: if there is no such embedded model, or the hub cannot be asked for the revision.
    """
    if source.kind == "embedded":
        try:
            return Folder(embedded.model_path(source.location), embedded.version(source.location))
        except ValueError as error:
            raise SourceError(str(error)) from None
    if source.kind == "path":
        path = Path(source.location)
        return Folder(path if path.is_dir() else path.parent)
    from tcdflow.artifacts.hub import HubRepo

    return HubRepo.open(source.location, source.revision)


def _files(folder: Path, prefix: str = "") -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file():
                    yield prefix + entry.name
                elif not prefix and entry.is_dir():
                    yield from _files(folder / entry.name, f"{entry.name}/")
    except FileNotFoundError:
        raise SourceError("has no such folder") from None
    except OSError as error:
        raise SourceError(f"{folder.name} cannot be listed: {error.strerror}") from None
