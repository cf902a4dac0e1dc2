"""The local files that a run reads, by the part of the run that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.pickles import REFUSED, is_pickle
from tcdflow.files.safetensors_header import read_header
from tcdflow.files.stamp import Stamp


@dataclass(frozen=True)
class Absent:
    """A file of the hub that is not on this machine yet, or damaged here: what the hub promises of it.

    Attributes:
        name: in the repository, or relative to an artifact's root.
        size: in bytes.
        sha256: of its bytes.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """The files of one part of a run, on this machine or about to be.

    Attributes:
        role: ``base``, ``base.config`` or ``loras.<name>``.
        source: the source text it came from.
        revision: commit on the hub, version of an embedded model, None for a path.
        root: folder that the files' names are relative to.
        files: names of all files that are read.
        single: whether it is one weight file and not a folder of components.
        variant: variant of the weight files, None for the plain ones.
        absent: those of the files that have yet to be fetched.
        unpickle: whether the person at the command line lets pickles among the files be read.
        fetch: whether the hub may be asked for what is absent.
        stamps: of its files when the run began, in their order; None where nobody took them. They make no difference.
    """

    role: str
    source: str
    revision: str | None
    root: Path
    files: tuple[str, ...]
    single: bool
    variant: str | None = None
    absent: tuple[Absent, ...] = ()
    unpickle: bool = False
    fetch: bool = True
    stamps: tuple[Stamp, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> Path:
        """The folder to load from, or the one file.

        Raises:
            SourceError: if a pickle is among the files: no library is to find it there.
        """
        if pickled := next(filter(is_pickle, self.files), None):
            raise SourceError(f"{self.role}: {pickled} is a pickle, which is not loaded as it is")
        return self.root / self.files[0] if self.single else self.root

    @property
    def is_here(self) -> bool:
        """Whether all files lie where it says; their bytes are not looked at."""
        return all((self.root / name).is_file() for name in self.files)

    def is_same(self, name: str, stamp: Stamp) -> bool:
        """Say whether a file that was read is the one that was there when the run began."""
        return self.stamps is None or self.stamps[self.files.index(name)] == stamp

    @property
    def key(self) -> str:
        """The key of the spec that names the source."""
        parts = self.role.split(".")
        group = parts[0] in ("loras", "adapters", "embeddings") and len(parts) == 2
        return f"{self.role}.source" if group or parts[-1] in ("base", "preprocessor") else self.role


def refuse_pickles(artifacts: Iterable[Artifact]) -> None:
    """Refuse pickles among files that somebody else's plan names.

    Raises:
        ConfigError: naming each.
    """
    pickled = {(part.key, part.source): name for part in artifacts for name in part.files if is_pickle(name)}
    if pickled:
        raise ConfigError([Problem(key, f"{name} is a pickle, {REFUSED}", at) for (key, at), name in pickled.items()])


@dataclass(frozen=True)
class Artifacts:
    """All files of a run, by role."""

    by_role: Mapping[str, Artifact]

    @classmethod
    def of(cls, artifacts: Iterable[Artifact]) -> Artifacts:
        """Return the artifacts of one run."""
        return cls({artifact.role: artifact for artifact in artifacts})

    @property
    def base(self) -> Artifact:
        """The pretrained pipeline."""
        return self.by_role["base"]

    @property
    def base_config(self) -> Artifact | None:
        """The layout of a single-file base; None for a folder."""
        return self.by_role.get("base.config")

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Say which pickles a run reads, for its record."""
        pickled = [(part.role, name) for part in self for name in part.files if is_pickle(name)]
        return tuple(f"{role}: {name} is a pickle; only its tensors are read (weights_only)" for role, name in pickled)

    @cached_property
    def weights(self) -> int:
        """How many numbers the weights hold that are here."""
        total = 0
        for part in self:
            absent = {file.name for file in part.absent}
            for name in part.files:
                if name.endswith(".safetensors") and name not in absent:
                    with suppress(OSError, SourceError):  # said elsewhere
                        total += read_header(part.root / name).numbers
        return total

    def lora(self, name: str) -> Artifact:
        """The weights of one LoRA."""
        return self.by_role[f"loras.{name}"]

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self.by_role.values())
