"""Fingerprints of loaded files: a warm engine outlives the files it has read."""

from __future__ import annotations

from typing import Any

from tcdflow.files.artifact import Artifact
from tcdflow.files.stamp import Stamp


def fingerprint(artifact: Artifact) -> tuple[Any, ...]:
    """Return a key of an artifact's files that changes when one of them is rewritten, as training does.

    It is that of the files that were there when the run began, which are all that is loaded for it.

    Raises:
        OSError: if a file has gone, and nobody took its stamp.
    """
    stamps = artifact.stamps
    if stamps is None:
        stamps = tuple(Stamp.of(artifact.root / name) for name in artifact.files)
    return artifact.path, artifact.files, stamps
