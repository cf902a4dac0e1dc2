"""What adapters have in common that are given a control image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.adapter import Adapter
from tcdflow.spec.inputs import Fit, ImageUse, InputImages
from tcdflow.spec.needs import Need
from tcdflow.spec.preprocessor import PREPROCESSORS, Preprocessor
from tcdflow.spec.registry import OneOf
from tcdflow.spec.script import Lines, ScriptFiles, variable
from tcdflow.spec.types import ImageText

if TYPE_CHECKING:
    from PIL.Image import Image

    from tcdflow.spec.model import RunSpec


class Controlled(Adapter):
    """What adapters have in common that are given a control image."""

    image: ImageText = Field(description="path or URL of the control image, or of what it is made from")
    fit: Fit = Field("resize", description="how the image comes to the run's size: stretched, cropped, or as it is")
    preprocessor: Annotated[Preprocessor, OneOf(PREPROCESSORS, "name")] | None = Field(
        None, description="makes the control image; null takes it as given"
    )

    def needs(self, role: str) -> Iterator[Need]:
        """Yield its model, its image, and what its preprocessor needs."""
        yield from super().needs(role)
        yield Need(f"{role}.image", f"{role}.image", self.image, "image")
        if self.preprocessor is not None:
            yield from self.preprocessor.needs(f"{role}.preprocessor")

    def image_uses(self, role: str) -> Iterator[ImageUse]:
        """Yield its image."""
        yield self._use(role)

    def _use(self, role: str) -> ImageUse:
        how = self.preprocessor
        # What resizes by itself has no image that keeps its size.
        fit: Fit = "resize" if how is not None and how.resizes and self.fit == "none" else self.fit
        # A control image that is drawn by hand is light on black; where it is transparent there is nothing.
        if how is None:
            return ImageUse(f"{role}.image", fit, f"{role}.fit", behind="black", ground="black")
        return ImageUse(f"{role}.image", fit, f"{role}.fit", ground=how.ground)

    def problems(self, role: str, spec: RunSpec) -> Iterator[Problem]:
        """Yield what is wrong with the preprocessor."""
        if self.preprocessor is not None:
            yield from self.preprocessor.problems(f"{role}.preprocessor")

    def write_control(self, role: str, files: ScriptFiles, lines: Lines) -> str:
        """Write what makes the control image, and return its variable."""
        control = variable("control", role.partition(".")[2])
        files.control(self._use(role), self.preprocessor, f"{role}.preprocessor", control, lines)
        return control

    def control_image(self, role: str, images: InputImages) -> Image:
        """Return the control image."""
        how = self.preprocessor
        if how is None:
            return images.fitted(self._use(role))
        models = {field: how.role(f"{role}.preprocessor", field) for field in how.models()}
        return images.control(self._use(role), how, models)
