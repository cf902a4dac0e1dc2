"""The interface of tasks (group ``task``): what an image starts from. Each is a file of :mod:`tcdflow.parts.tasks`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.inputs import ImageUse, InputImages, Inputs
from tcdflow.spec.needs import Need
from tcdflow.spec.registry import NameOf, Registry
from tcdflow.spec.script import Lines, ScriptFiles, cannot_write
from tcdflow.spec.types import Description, Settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from tcdflow.spec.model import RunSpec


class Task(Settings):
    """What a run makes of what: subclass it in a file of its own and register the subclass.

    Attributes:
        animated: it makes frames that move, one animation a call.
        takes_image: the pipeline's ``image`` is what is changed; a control image is then called ``control_image``.
    """

    animated: ClassVar[bool] = False
    takes_image: ClassVar[bool] = False

    name: str = Field(description="what is made of what")
    description: Description = ""

    def effective_steps(self, steps: int) -> int:
        """Return how many of the steps are really run."""
        return steps

    def needs(self) -> Iterator[Need]:
        """Yield the input images that it reads."""
        yield from ()

    def image_uses(self) -> Iterator[ImageUse]:
        """Yield how it uses its input images, the one that gives a run its size first."""
        yield from ()

    def same_size(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of roles whose images must have one size, the one to blame first."""
        yield from ()

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield each reason for which a run cannot do it."""
        yield from ()

    def warnings(self, spec: RunSpec) -> Iterator[str]:
        """Yield what is allowed and probably not meant."""
        yield from ()

    def inputs(self, images: InputImages) -> Inputs:
        """Return what the pipeline is given."""
        return Inputs()

    def script(self, files: ScriptFiles) -> Lines:
        """Return what gives :meth:`inputs` to the pipeline in a script; :meth:`settings` are written for all tasks.

        Raises:
            ConfigError: if that cannot be written in a few lines.
        """
        raise cannot_write("task.name", f"task {self.name!r}")

    def settings(self) -> dict[str, Any]:
        """Return arguments of the pipeline's call that are the same for all runs of this task."""
        return {}

    def frames(self, output: Any, number: int) -> Sequence[Image]:
        """Return what one image of a pipeline's output consists of: one frame, or those of an animation."""
        return (output.images[number],)


TASKS: Registry[type[Task]] = Registry("task", "tcdflow.parts.tasks")

TaskName = Annotated[str, NameOf(TASKS)]
