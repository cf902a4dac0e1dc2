"""An image with the white part of a mask repainted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.parts.tasks.image_to_image import ImageToImage
from tcdflow.spec.formats import IMAGE_FORMATS
from tcdflow.spec.inputs import ImageUse, InputImages, Inputs, MaskUse, Paste
from tcdflow.spec.needs import Need
from tcdflow.spec.script import Lines, ScriptFiles
from tcdflow.spec.task import TASKS
from tcdflow.spec.types import Float, ImageText, Int
from tcdflow.text import any_of

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


@TASKS.register("inpainting")
class Inpainting(ImageToImage):
    """An image with the white part of a mask repainted."""

    name: Literal["inpainting"]  # type: ignore[assignment]
    image: ImageText = Field(description="path or URL of the image to change")
    mask: ImageText = Field(description="path or URL of the mask, white where the image is repainted")
    mask_from: Literal["luminance", "alpha"] = Field(
        "luminance", description="what of the mask's file is the mask: its brightness, or its opacity"
    )
    mask_threshold: Int = Field(128, ge=1, le=255, description="value from which on the mask is white, of 255")
    mask_invert: bool = Field(False, description="repaint what is black, or transparent, instead")
    mask_padding: Int = Field(0, ge=0, le=200, description="pixels by which what is repainted grows to all sides")
    mask_blur: Float = Field(
        0.0,
        ge=0.0,
        le=200.0,
        description="softness in pixels of the edge at which paste_back mixes both: a Gaussian's standard deviation",
    )
    paste_back: bool = Field(
        False,
        description="keep the image's pixels outside the mask, exactly in lossless formats; the pipeline changes them "
        "a little",
    )
    strength: Float = Field(0.99, gt=0.0, le=1.0, description="share of the schedule that is run; 1 starts from noise")

    def needs(self) -> Iterator[Need]:
        """Yield the image and its mask."""
        yield from super().needs()
        yield Need("task.mask", "task.mask", self.mask, "image")

    def image_uses(self) -> Iterator[ImageUse]:
        """Yield the image and its mask."""
        yield from super().image_uses()
        yield self._mask()

    def _mask(self) -> MaskUse:
        return MaskUse(
            "task.mask",
            self.fit,
            "task.fit",
            channel=self.mask_from,
            threshold=self.mask_threshold,
            invert=self.mask_invert,
            padding=self.mask_padding,
        )

    def same_size(self) -> Iterator[tuple[str, str]]:
        """Yield the mask, which lies on the image."""
        yield "task.mask", "task.image"

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield a blur without effect, beside what image to image has."""
        yield from super().problems(spec)
        if self.mask_blur and not self.paste_back:
            what = "has no effect without task.paste_back=true: a pipeline takes a mask as black and white"
            yield Problem("task.mask_blur", what, self.mask_blur)

    def warnings(self, spec: RunSpec) -> Iterator[str]:
        """Yield a format that changes what was to be kept."""
        output = spec.output
        if self.paste_back and not IMAGE_FORMATS[output.format].keeps(output.quality):
            exact = any_of(name for name, format in IMAGE_FORMATS.items() if format.lossless)
            yield (
                f"task.paste_back keeps the image outside the mask, and output.format={output.format} changes it a "
                f"little in the file; {exact} does not"
            )

    def inputs(self, images: InputImages) -> Inputs:
        """Return the image, its mask and the strength, and what to paste into."""
        from tcdflow.inputs.mask import soft

        found = super().inputs(images)
        image, mask = found.shown["image"], images.fitted(self._mask())
        paste = Paste(image, soft(mask, self.mask_blur)) if self.paste_back else None
        found.add(Inputs(per_image={"mask_image": mask}, shown={"mask": mask}, paste=paste))
        return found

    def script(self, files: ScriptFiles) -> Lines:
        lines = super().script(files)
        files.image(self._mask(), "mask", lines)
        lines.call["mask_image"] = "mask"
        lines.per_image = {"image", "mask_image"}  # or diffusers encodes one image with the first generator alone
        if self.paste_back:
            soft = 'mask.convert("L").point([0] * 128 + [255] * 128)'
            if self.mask_blur:
                lines.use("PIL", "ImageFilter")
                soft += f".filter(ImageFilter.GaussianBlur({self.mask_blur!r}))"
            lines.use("PIL", "Image")
            lines.inputs.append(f"seam = {soft}  # outside of it the image keeps its pixels")
            lines.finish.append("result = Image.composite(result, image, seam)")
        return lines
