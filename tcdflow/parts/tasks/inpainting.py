"""An image with the white part of a mask repainted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tcdflow.parts.tasks.image_to_image import ImageToImage
from tcdflow.spec.inputs import InputImages, Inputs
from tcdflow.spec.needs import Need
from tcdflow.spec.task import TASKS
from tcdflow.spec.types import Float, SourceText


@TASKS.register("inpainting")
class Inpainting(ImageToImage):
    """An image with the white part of a mask repainted."""

    name: Literal["inpainting"]  # type: ignore[assignment]
    image: SourceText = Field(description="path or URL of the image to change")
    mask: SourceText = Field(description="path or URL of the mask, white where the image is repainted")
    strength: Float = Field(0.99, gt=0.0, le=1.0, description="share of the schedule that is run; 1 starts from noise")

    def needs(self) -> Iterator[Need]:
        """Yield the image and its mask."""
        yield from super().needs()
        yield Need("task.mask", "task.mask", self.mask, "image")

    def same_size(self) -> Iterator[tuple[str, str]]:
        """Yield the mask, which lies on the image."""
        yield "task.mask", "task.image"

    def inputs(self, images: InputImages) -> Inputs:
        """Return the image, its mask and the strength."""
        found = super().inputs(images)
        mask = images.fitted("task.mask", self.fit)
        found.add(Inputs(per_image={"mask_image": mask}, shown={"mask": mask}))
        return found
