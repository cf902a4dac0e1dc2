"""Files of a source, wherever they are: listed, pinned to a commit, and brought to this machine.

The hub is reached through ``huggingface_hub`` alone, with its cache, its environment variables and its offline mode.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tcdflow import embedded
from tcdflow.artifacts.source import Source
from tcdflow.errors import SourceError


class Store(Protocol):
    """The files of one source."""

    @property
    def revision(self) -> str | None:
        """Commit of a hub repository, version of an embedded model, None for a path."""

    def listing(self) -> tuple[str, ...]:
        """Return the relative names of all files."""

    def fetch(self, names: tuple[str, ...]) -> Path:
        """Bring the files to this machine and return the folder they are in."""


@dataclass(frozen=True)
class Folder:
    """A local folder."""

    root: Path
    revision: str | None = None

    def listing(self) -> tuple[str, ...]:
        """Return the relative names of all files below the folder."""
        found = []
        for where, _, files in os.walk(self.root):
            prefix = Path(where).relative_to(self.root).as_posix()
            found += [name if prefix == "." else f"{prefix}/{name}" for name in files]
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
            raise SourceError(f"'{source.text}': {error}") from None
    if source.kind == "path":
        path = Path(source.location)
        return Folder(path if path.is_dir() else path.parent)
    from tcdflow.artifacts.hub import HubRepo

    return HubRepo.open(source.location, source.revision)
