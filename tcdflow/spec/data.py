"""The interface of a distillation's data (group ``data``). Each kind is one file of :mod:`tcdflow.parts.data`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from tcdflow.spec.registry import Registry
from tcdflow.spec.types import Description, Settings

if TYPE_CHECKING:
    from tcdflow.spec.distill import DistillSpec


@dataclass(frozen=True)
class Member:
    """A file within a tar file.

    Attributes:
        name: of it, with its folders; it names no place on this machine.
        start: of its bytes in the tar file.
        size: in bytes.
    """

    name: str
    start: int
    size: int


@dataclass(frozen=True)
class Example:
    """One example to train on.

    Attributes:
        caption: what it shows.
        image: the file that holds it; None for one that the teacher samples.
        member: where it is in that file, if that is a tar file.
        seed: of the noise that the teacher samples it from.
    """

    caption: str
    image: Path | None = None
    seed: int = 0
    member: Member | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.member is not None:
            return self.member.name
        return self.image.name if self.image is not None else f"'{self.caption}', seed {self.seed}"


class Data(Settings):
    """Where the examples of a distillation come from: subclass it in a file of its own and register the subclass."""

    kind: str = Field(description="where the examples come from")
    description: Description = ""

    @abstractmethod
    def examples(self, spec: DistillSpec) -> Sequence[Example]:
        """Return the examples, in an order that does not change.

        Args:
            spec: the distillation that they are for.

        Raises:
            ConfigError: naming each thing that is wrong with the files.
        """


DATA: Registry[type[Data]] = Registry("data", "tcdflow.parts.data")
