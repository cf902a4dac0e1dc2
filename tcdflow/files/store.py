"""Files of a source, wherever they are: listed, pinned to a commit, and brought to this machine.

The hub is reached through ``huggingface_hub`` alone, with its cache, its environment variables and its offline mode.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tcdflow import embedded
from tcdflow.errors import SourceError
from tcdflow.files.artifact import Absent, Artifact
from tcdflow.files.safetensors_header import Header
from tcdflow.files.source import Source, at_commit, parse

if TYPE_CHECKING:
    from tcdflow.files.hub import HubRepo

Progress = Callable[[str, int], None]

MOST_FILES = 20_000
"""More files than this within two levels are not a model but somebody's home directory."""


class Store(Protocol):
    """The files of one source."""

    @property
    def revision(self) -> str | None:
        """Commit of a hub repository, version of an embedded model, None for a path."""

    def listing(self, inside: str = "") -> tuple[str, ...]:
        """Return the names of the files in a folder of the store and in that folder's folders, relative to it."""

    def look(self, names: tuple[str, ...]) -> tuple[Path, tuple[Absent, ...]]:
        """Return the folder that the files' names are relative to, and those of them that have yet to be fetched.

        Small files, which say what else is needed, are brought here.
        """


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
                raise SourceError(f"holds more than {MOST_FILES:,} files and is not a model folder")
        return tuple(sorted(found))

    def look(self, names: tuple[str, ...]) -> tuple[Path, tuple[Absent, ...]]:
        """Return the folder; all is here."""
        return self.root, ()


@dataclass
class Stores:
    """Opens stores. A branch means one commit for all who ask for it, however it moves meanwhile."""

    _repos: dict[tuple[str, str | None, bool], Store] = field(default_factory=dict, repr=False)

    def open(self, source: Source, *, cached: bool = False) -> Store:
        """Return the store that holds a source.

        Args:
            source: where it is.
            cached: of the hub, only what the cache has may be used.

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
        from tcdflow.files.hub import HubRepo

        wanted = (source.location, source.revision, cached)
        if wanted not in self._repos:
            self._repos[wanted] = HubRepo.open(source.location, source.revision, cached=cached)
        return self._repos[wanted]


def looked_up(artifact: Artifact) -> Artifact:
    """Return an artifact of an earlier time, such as a plan's, as it is on this machine now.

    Raises:
        SourceError: if its repository is out of reach, and the cache does not have its small files.
    """
    found = _in_repo(artifact)
    if found is None:
        return artifact
    repo, prefix = found
    root, absent = repo.look(tuple(prefix + name for name in artifact.files))
    return replace(artifact, root=root / prefix, absent=relative(absent, prefix))


def moved_here(artifact: Artifact) -> Artifact:
    """Return an artifact of another machine or cache as it would lie in this one's, without looking."""
    if artifact.source.startswith("embedded:") and not artifact.root.is_dir():
        source = parse(artifact.source)
        folder = "" if artifact.single else source.inside
        return replace(artifact, root=embedded.model_path(source.location) / folder)
    found = _in_repo(artifact)
    return artifact if found is None else replace(artifact, root=found[0].snapshot / found[1])


def promised_header(artifact: Artifact) -> Header | None:
    """Return the header of a single safetensors file of the hub that is not here yet; None if it cannot be had."""
    found = _in_repo(artifact)
    return None if found is None else found[0].header(artifact.files[0])


def fetched(artifact: Artifact, progress: Progress = lambda sha256, count: None) -> Artifact:
    """Return an artifact with all files on this machine.

    Args:
        artifact: with what it lacks.
        progress: called with the SHA-256 of a file and its bytes so far.

    Raises:
        SourceError: if a file cannot be had.
    """
    found = _in_repo(artifact) if artifact.absent else None
    if found is None:
        return artifact
    repo, prefix = found
    repo.fetch([replace(file, name=prefix + file.name) for file in artifact.absent], progress)
    return replace(artifact, absent=())


def relative(absent: Iterable[Absent], prefix: str) -> tuple[Absent, ...]:
    """Name absent files as an artifact of a folder in a repository does."""
    return tuple(replace(file, name=file.name.removeprefix(prefix)) for file in absent)


def _in_repo(artifact: Artifact) -> tuple[HubRepo, str] | None:
    """Return the repository of an artifact, and the folder in it that its files' names are relative to."""
    pinned = at_commit(artifact.source, artifact.revision or "")
    if pinned is None:
        return None
    from tcdflow.files.hub import HubRepo

    source = parse(pinned)
    prefix = f"{source.inside}/" if source.inside and not artifact.single else ""
    return HubRepo(source.location, str(artifact.revision), cached=not artifact.fetch), prefix


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
