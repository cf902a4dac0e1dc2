"""What a run makes of what (group ``task``): from text alone, from an image, within a mask, or frames that move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tcdflow.spec.types import Float, Int, Part, SourceText, Text

Fit = Literal["resize", "crop", "none"]
"""How an input image comes to the size of the run: stretched to it, cut to its shape and scaled, or as it is."""


class TextToImage(Part):
    """An image from a prompt."""

    name: Literal["text_to_image"]
    description: Text = ""


class ImageToImage(Part):
    """An image from an image: noise is added to it, and the last part of the schedule takes it away again."""

    name: Literal["image_to_image"]
    description: Text = ""
    image: SourceText = Field(description="path or URL of the image to start from")
    fit: Fit = "resize"
    strength: Float = Field(0.8, gt=0.0, le=1.0, description="share of the schedule that is run; 1 starts from noise")


class Inpainting(Part):
    """An image with the white part of a mask made anew."""

    name: Literal["inpainting"]
    description: Text = ""
    image: SourceText = Field(description="path or URL of the image to change")
    mask: SourceText = Field(description="path or URL of the mask, white where the image is made anew")
    fit: Fit = "resize"
    strength: Float = Field(0.99, gt=0.0, le=1.0, description="share of the schedule that is run; 1 starts from noise")


class Animation(Part):
    """Frames that move; needs a motion adapter among the adapters."""

    name: Literal["animation"]
    description: Text = ""
    num_frames: Int = Field(16, ge=1, le=1024)
    decode_chunk_size: Int = Field(16, ge=1, le=1024, description="frames that the VAE decodes at once")


Task = Annotated[TextToImage | ImageToImage | Inpainting | Animation, Field(discriminator="name")]


def effective_steps(task: TextToImage | ImageToImage | Inpainting | Animation, steps: int) -> int:
    """Return how many of the steps are really run, as diffusers' ``get_timesteps`` counts them."""
    strength = task.strength if isinstance(task, ImageToImage | Inpainting) else 1.0
    return min(int(steps * strength), steps)
