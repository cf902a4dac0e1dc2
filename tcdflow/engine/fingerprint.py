"""Telling what was loaded from what a file holds now: a warm engine outlives the files it has read."""

from __future__ import annotations

from typing import Any

from tcdflow.files.artifact import Artifact


def fingerprint(artifact: Artifact) -> tuple[Any, ...]:
    """Return a key of an artifact's files that changes when one of them is written anew, as training does.

    Raises:
        OSError: if a file has gone.
    """
    stats = [(artifact.root / name).stat() for name in artifact.files]
    stamps = tuple((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) for stat in stats)
    return artifact.path, artifact.files, stamps
