"""What steers a base beside its prompt (group ``adapters``): ControlNets, IP-Adapters and motion adapters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tcdflow.spec.tasks import Fit
from tcdflow.spec.types import Family, Float, Int, LoraWeight, Part, SourceText, Text


class Canny(Part):
    """Edges after Canny (1986), by OpenCV."""

    name: Literal["canny"]
    low: Int = Field(100, ge=0, le=10_000, description="gradients below are no edges")
    high: Int = Field(200, ge=0, le=10_000, description="gradients above are edges; between, if they touch one")


class Depth(Part):
    """Relative depth by a dense prediction transformer (arXiv 2103.13413), near is white."""

    name: Literal["depth"]
    source: SourceText = Field("Intel/dpt-hybrid-midas", description="a DPT model with its image processor's config")


Preprocessor = Annotated[Canny | Depth, Field(discriminator="name")]


class ControlNet(Part):
    """A ControlNet (arXiv 2302.05543)."""

    kind: Literal["controlnet"]
    description: Text = ""
    family: Family
    source: SourceText
    config: SourceText | None = Field(None, description="folder or repository whose config.json a single file follows")
    image: SourceText = Field(description="path or URL of the control image, or of what it is made from")
    fit: Fit = "resize"
    preprocessor: Preprocessor | None = Field(None, description="makes the control image; None takes it as given")
    scale: Float = Field(1.0, ge=0.0, le=10.0, description="weight of its residuals")
    start: Float = Field(0.0, ge=0.0, le=1.0, description="share of the steps after which it begins")
    end: Float = Field(1.0, ge=0.0, le=1.0, description="share of the steps after which it ends")


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class IPAdapter(Part):
    """An IP-Adapter (arXiv 2308.06721): images as prompt."""

    kind: Literal["ip_adapter"]
    description: Text = ""
    family: Family
    source: SourceText
    image_encoder: SourceText = Field(description="folder of the CLIP vision model that it was trained with")
    images: Annotated[
        tuple[SourceText, ...], BeforeValidator(_as_tuple, json_schema_input_type=SourceText | list[SourceText])
    ] = Field(min_length=1, max_length=64)
    size: Int | None = Field(
        None, ge=8, le=8192, description="pixels a side to stretch the images to; None leaves them"
    )
    scale: LoraWeight = Field(1.0, description="a number, or numbers by block")


class MotionAdapter(Part):
    """A motion module (AnimateDiff, arXiv 2307.04725), which turns a base of its family into one for frames."""

    kind: Literal["motion_adapter"]
    description: Text = ""
    family: Family
    source: SourceText
    config: SourceText | None = Field(None, description="folder or repository whose config.json a single file follows")


Adapter = Annotated[ControlNet | IPAdapter | MotionAdapter, Field(discriminator="kind")]
