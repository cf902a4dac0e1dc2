"""One model that a word names, by hub id or folder, as features and metrics take it: found, fetched, hashed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.finder import Finder
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.resolve import Progress, fetch
from tcdflow.files.source import parse


@dataclass(frozen=True)
class NamedModel:
    """A model on this machine.

    Attributes:
        name: last part of its id, or its folder's name.
        artifact: its files; open them with :func:`tcdflow.files.opened.opened`.
        files: their hashes.
    """

    name: str
    artifact: Artifact
    files: tuple[LockedFile, ...]


def find_model(role: str, word: str) -> Artifact:
    """Find a model, of which files may have yet to be downloaded.

    Args:
        role: what it is for.
        word: ``owner/name[@revision]`` or a folder.

    Raises:
        SourceError: if there is no such model, or it has no safetensors weights.
    """
    artifact = Finder().model_folder(role, parse(word), False, None)
    if artifact.single:
        raise SourceError("is a weight file; a folder or repository with its config.json is needed")
    return artifact


def named_model(role: str, word: str, progress: Progress) -> NamedModel:
    """Find a model, and download what this machine lacks of it.

    Args:
        role: what it is for.
        word: ``owner/name[@revision]`` or a folder.
        progress: of the download.

    Raises:
        SourceError: if there is no such model, or it has no safetensors weights.
        ConfigError: if the download fails.
    """
    (artifact,) = fetch([find_model(role, word)], progress)
    return NamedModel(Path(parse(word).location).name, artifact, lock([artifact]))
