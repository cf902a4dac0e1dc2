"""Fingerprints of loaded files: a warm engine outlives the files it has read."""

from __future__ import annotations

from typing import Any

from tcdflow.files.artifact import Artifact
from tcdflow.files.stamp import Stamp


def fingerprint(artifact: Artifact) -> tuple[Any, ...]:
    """Return a key of an artifact's files that changes when one of them is rewritten, as training does.

    Raises:
        OSError: if a file has gone.
    """
    return artifact.path, artifact.files, tuple(Stamp.of(artifact.root / name) for name in artifact.files)
