"""The lock: each file that a run reads, with its source, revision, size and SHA-256."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tcdflow.errors import SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.hashes import hashed
from tcdflow.text import printable


class LockedFile(BaseModel):
    """One file that decides pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    source: str
    revision: str | None
    file: str
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def lock(artifacts: Iterable[Artifact]) -> tuple[LockedFile, ...]:
    """Hash every file of the artifacts, on as many threads as help; hashing releases the interpreter lock.

    Of files that have yet to be fetched the lock has what the hub promises: no others are accepted when they come.

    Raises:
        SourceError: if a file has gone since it was resolved, or cannot be read.
    """
    entries = [(artifact, name) for artifact in artifacts for name in artifact.files]
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="sha256") as pool:
        # The largest one sets the time.
        hashed = {entry: pool.submit(_locked, *entry) for entry in sorted(entries, key=_size, reverse=True)}
        return tuple(hashed[entry].result() for entry in entries)


def _size(entry: tuple[Artifact, str]) -> int:
    artifact, name = entry
    try:
        return (artifact.root / name).stat().st_size
    except OSError:  # it has yet to be fetched, or is told below
        return 0


def _locked(artifact: Artifact, name: str) -> LockedFile:
    promised = next((file for file in artifact.absent if file.name == name), None)
    try:
        size, sha256 = (promised.size, promised.sha256) if promised else _measured(artifact, name)
    except OSError as error:
        back = "; tcdflow fetch brings it back" if artifact.revision and isinstance(error, FileNotFoundError) else ""
        what = f"{name} cannot be read: {error.strerror}{back}"
        raise SourceError(f"{artifact.role}: '{artifact.source}': {what}") from None
    return LockedFile(
        role=artifact.role,
        source=artifact.source,
        revision=artifact.revision,
        file=name,
        size=size,
        sha256=sha256,
    )


def _measured(artifact: Artifact, name: str) -> tuple[int, str]:
    sha256, stamp = hashed(artifact.root / name)
    if not artifact.is_same(name, stamp):
        raise SourceError(printable(f"{artifact.role}: {name} was changed while the run read it; start it again"))
    return stamp.size, sha256
