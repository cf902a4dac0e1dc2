"""The interface of adapters (group ``adapters``), which steer a base beside its prompt.

Each kind is one file of :mod:`tcdflow.parts.adapters`. Several adapters of one kind are loaded and called together, as
diffusers has it, so the methods that touch a pipeline are the kind's and take all of them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.family import FamilyName
from tcdflow.spec.inputs import ImageUse, InputImages, Inputs
from tcdflow.spec.needs import LocalFiles, Need
from tcdflow.spec.registry import Registry
from tcdflow.spec.script import Lines, ScriptFiles, cannot_write
from tcdflow.spec.types import Description, Settings, SourceText

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


class Adapter(Settings):
    """An adapter: subclass it in a file of its own and register the subclass.

    Attributes:
        pipelines: diffusers class by architecture of the base and name of the task, for kinds that need a pipeline of
            their own; as of :class:`~tcdflow.spec.family.Family`.
        components: names of the pipeline's components that it brings.
        replaces_denoiser: loading it makes another denoiser of the base's, with no way back.
        what: an adapter of the kind in words, with its article.
        tensors: pattern of tensors' names by which its weight files are told from others; empty if they are not.
    """

    pipelines: ClassVar[Mapping[tuple[str, str], str]] = {}
    components: ClassVar[tuple[str, ...]] = ()
    replaces_denoiser: ClassVar[bool] = False
    what: ClassVar[str] = "an adapter"
    tensors: ClassVar[str] = ""

    kind: str = Field(description="what it is")
    description: Description = ""
    family: FamilyName = Field(description="family of the bases that it was trained for")
    source: SourceText = Field(description="hub id, folder or file with its weights")

    def model(self, role: str) -> Need:
        """Return its own weights; ``role`` is its key, such as ``adapters.depth``."""
        return Need(role, f"{role}.source", self.source, "model")

    def needs(self, role: str) -> Iterator[Need]:
        """Yield all that it reads."""
        yield self.model(role)

    def image_uses(self, role: str) -> Iterator[ImageUse]:
        """Yield how it uses its input images, the one that gives a run its size first."""
        yield from ()

    def problems(self, role: str, spec: RunSpec) -> Iterator[Problem]:
        """Yield each reason for which the run cannot use it."""
        yield from ()

    @classmethod
    def run_problems(cls, adapters: Mapping[str, Self], spec: RunSpec) -> Iterator[Problem]:
        """Yield what is wrong with all of the kind together; also called where there are none."""
        yield from ()

    @classmethod
    def load(cls, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles], dtype: Any) -> dict[str, Any]:
        """Load the components that they bring to the pipeline's constructor.

        Args:
            adapters: all of the kind, by name.
            files: local files by role.
            dtype: ``torch.dtype``.
        """
        return {}

    @classmethod
    def attach(cls, pipe: Any, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles]) -> None:
        """Attach them to a pipeline that has its components."""

    @classmethod
    def detach(cls, pipe: Any) -> None:
        """Undo :meth:`attach`, exactly."""

    @classmethod
    def configure(cls, pipe: Any, adapters: Mapping[str, Self], spec: RunSpec) -> None:
        """Set what a run may change on a pipeline that has them.

        Raises:
            ConfigError: if they cannot do what the run asks for.
        """

    @classmethod
    def inputs(cls, adapters: Mapping[str, Self], images: InputImages, pipe: Any, spec: RunSpec) -> Inputs:
        """Return what the pipeline is given for them."""
        return Inputs()

    @classmethod
    def script(cls, adapters: Mapping[str, Self], files: ScriptFiles, spec: RunSpec) -> Lines:
        """Return what loads, attaches and configures them in a script, and what is given to the pipeline.

        Raises:
            ConfigError: if that cannot be written in a few lines.
        """
        name, first = next(iter(adapters.items()))
        raise cannot_write(f"adapters.{name}.kind", f"adapter {first.kind!r}")


ADAPTERS: Registry[type[Adapter]] = Registry("adapter", "tcdflow.parts.adapters")
