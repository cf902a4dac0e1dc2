"""The local files that a run reads, by the part of the run that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Artifact:
    """The local files of one part of a run.

    Attributes:
        role: ``base``, ``base.config`` or ``loras.<name>``.
        source: the source text it came from.
        revision: commit on the hub, version of an embedded model, None for a path.
        root: folder that the files' names are relative to.
        files: names of all files that are read.
        single: whether it is one weight file and not a folder of components.
        variant: variant of the weight files, None for the plain ones.
    """

    role: str
    source: str
    revision: str | None
    root: Path
    files: tuple[str, ...]
    single: bool
    variant: str | None = None

    @property
    def path(self) -> Path:
        """The folder to load from, or the one file."""
        return self.root / self.files[0] if self.single else self.root


@dataclass(frozen=True)
class Artifacts:
    """All files of a run, by role."""

    by_role: Mapping[str, Artifact]

    @property
    def base(self) -> Artifact:
        """The pretrained pipeline."""
        return self.by_role["base"]

    @property
    def base_config(self) -> Artifact | None:
        """The layout of a single-file base; None for a folder."""
        return self.by_role.get("base.config")

    def lora(self, name: str) -> Artifact:
        """The weights of one LoRA."""
        return self.by_role[f"loras.{name}"]

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self.by_role.values())
