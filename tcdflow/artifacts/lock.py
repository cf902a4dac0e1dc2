"""The lock: each file that a run reads, with its source, revision, size and SHA-256."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict

from tcdflow.artifacts.hashes import sha256_file
from tcdflow.artifacts.resolve import Artifact


class LockedFile(BaseModel):
    """One file that decides pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    source: str
    revision: str | None
    file: str
    size: int
    sha256: str


def lock(artifacts: Iterable[Artifact]) -> tuple[LockedFile, ...]:
    """Hash every file of the artifacts, on as many threads as help; hashing releases the interpreter lock."""
    entries = [(artifact, name) for artifact in artifacts for name in artifact.files]
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="sha256") as pool:
        return tuple(pool.map(_locked, *zip(*entries, strict=True)))


def _locked(artifact: Artifact, name: str) -> LockedFile:
    path = artifact.root / name
    return LockedFile(
        role=artifact.role,
        source=artifact.source,
        revision=artifact.revision,
        file=name,
        size=path.stat().st_size,
        sha256=sha256_file(path),
    )
