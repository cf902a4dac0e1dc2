"""An image from an image: noise is added to it, and the last part of the schedule takes it away again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.inputs import Fit, ImageUse, InputImages, Inputs
from tcdflow.spec.needs import Need
from tcdflow.spec.script import Lines, ScriptFiles, literal
from tcdflow.spec.task import TASKS, Task
from tcdflow.spec.types import Float, ImageText

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


@TASKS.register("image_to_image")
class ImageToImage(Task):
    """An image from an image: noise is added to it, and the last part of the schedule takes it away again."""

    takes_image = True

    name: Literal["image_to_image"]
    image: ImageText = Field(description="path or URL of the image to start from")
    fit: Fit = Field("resize", description="how the image comes to the run's size: stretched, cropped, or as it is")
    strength: Float = Field(0.8, gt=0.0, le=1.0, description="share of the schedule that is run; 1 starts from noise")

    def effective_steps(self, steps: int) -> int:
        """Return how many of the steps are really run, as diffusers' ``get_timesteps`` counts them."""
        return min(int(steps * self.strength), steps)

    def needs(self) -> Iterator[Need]:
        """Yield the image."""
        yield Need("task.image", "task.image", self.image, "image")

    def image_uses(self) -> Iterator[ImageUse]:
        """Yield the image."""
        yield self._image()

    def _image(self) -> ImageUse:
        return ImageUse("task.image", self.fit, "task.fit")

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield a strength that leaves no step."""
        if self.effective_steps(spec.sampling.steps) < 1:
            steps = spec.sampling.steps
            digits = 10 ** (len(str(steps)) + 2)
            least = math.ceil(digits / steps) / digits  # rounded up, for what is below 1 / steps is refused again
            what = f"leaves none of sampling.steps={steps}; it must be at least {least:g}"
            yield Problem("task.strength", what, self.strength)

    def inputs(self, images: InputImages) -> Inputs:
        """Return the image and the strength."""
        image = images.fitted(self._image())
        return Inputs({"strength": self.strength}, {"image": image}, {"image": image})

    def script(self, files: ScriptFiles) -> Lines:
        lines = Lines(call={"image": "image", "strength": literal(self.strength)})
        files.image(self._image(), "image", lines)
        return lines
