"""One model that a word names, by hub id or folder, as features and metrics take it: found, fetched, hashed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.finder import Finder
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.pins import FREE, Pins
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


def find_model(role: str, word: str, pins: Pins = FREE) -> Artifact:
    """Find a model, of which files may have yet to be downloaded.

    Args:
        role: what it is for.
        word: ``owner/name[@revision]`` or a folder.
        pins: what is known of it beforehand.

    Raises:
        SourceError: if there is no such model, or it has no safetensors weights.
        ConfigError: naming each file that is not as pinned.
    """
    found = Finder().model_folder(role, pins.source(word), False, None)
    artifact = replace(found, source=word)  # a lock names it so, and its commit has a place of its own
    if artifact.single:
        raise SourceError("is a weight file; a folder or repository with its config.json is needed")
    if pins is not FREE:
        pins.hold(lock([artifact]))
    return artifact


def named_model(role: str, word: str, progress: Progress, pins: Pins = FREE) -> NamedModel:
    """Find a model, and download what this machine lacks of it.

    Args:
        role: what it is for.
        word: ``owner/name[@revision]`` or a folder.
        progress: of the download.
        pins: what is known of it beforehand.

    Raises:
        SourceError: if there is no such model, or it has no safetensors weights.
        ConfigError: if the download fails, or naming each file that is not as pinned.
    """
    (artifact,) = fetch([find_model(role, word, pins)], progress)
    return NamedModel(Path(parse(word).location).name, artifact, lock([artifact]))
