"""Checks that a run loads the bytes that are in its lock: files may be rewritten while it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tcdflow.errors import RunError, SourceError
from tcdflow.files.artifact import Artifacts
from tcdflow.files.stamp import Stamp
from tcdflow.text import printable

Stamps = dict[tuple[str, str], Stamp | None]


@dataclass(frozen=True)
class Unchanged:
    """What tells the files of a run from their changed selves, as it was at one moment.

    Attributes:
        artifacts: the files, with their stamps.
        stamps: of each, by role and name.
    """

    artifacts: Artifacts
    stamps: Stamps

    @classmethod
    def since_now(cls, artifacts: Artifacts) -> Unchanged:
        """Take the stamps of all files.

        Raises:
            SourceError: if one has gone since it was found.
        """
        stamps = _stamps(artifacts)
        stamped = []
        for artifact in artifacts:
            there = [(name, stamps[artifact.role, name]) for name in artifact.files]
            if gone := next((name for name, stamp in there if stamp is None), None):
                what = f"{artifact.role}: '{artifact.source}': {gone} is no longer there, or cannot be read"
                raise SourceError(printable(what))
            stamped.append(replace(artifact, stamps=tuple(stamp for _, stamp in there if stamp is not None)))
        return cls(Artifacts.of(stamped), stamps)

    def is_same(self) -> bool:
        """Say whether all of them are as they were."""
        return _stamps(self.artifacts) == self.stamps

    def check(self) -> None:
        """Look at them again. A file that has gone was read before, or whoever wanted it has failed.

        Raises:
            RunError: if one was rewritten.
        """
        for (role, name), now in _stamps(self.artifacts).items():
            if now not in (None, self.stamps[role, name]):
                raise RunError(printable(f"{role}: {name} was changed while the run read it; start it again"))


def _stamps(artifacts: Artifacts) -> Stamps:
    stamps: Stamps = {}
    for artifact in artifacts:
        for name in artifact.files:
            try:
                stamps[artifact.role, name] = Stamp.of(f"{artifact.root}/{name}")
            except OSError:
                stamps[artifact.role, name] = None
    return stamps
