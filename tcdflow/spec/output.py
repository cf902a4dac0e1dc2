"""What a run writes (group ``output``): formats, names and metadata of its files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tcdflow.spec.formats import ANIMATION_FORMATS, IMAGE_FORMATS
from tcdflow.spec.registry import NameOf
from tcdflow.spec.types import Description, FreeText, Int, Settings


class OutputSpec(Settings):
    """What is written (group ``output``)."""

    description: Description = ""
    format: Annotated[str, NameOf(IMAGE_FORMATS)] = Field("png", description="format of images; png keeps every pixel")
    quality: Int = Field(
        95, ge=1, le=100, description="quality of lossy formats, in percent; 100 makes webp lossless, and no other"
    )
    animation: Annotated[str, NameOf(ANIMATION_FORMATS)] = Field("gif", description="format of animations")
    fps: Int = Field(
        10, ge=1, le=60, description="frames per second of animations; gif rounds to hundredths of a second a frame"
    )
    loop: bool = Field(True, description="whether animations repeat; mp4 leaves that to the player")
    name: Annotated[str, Field(min_length=1, max_length=500), FreeText] | None = Field(
        None,
        description="names of the files: text with keys in braces, such as {prompt}-{sampling.seed}, and {number}; "
        "null numbers them 000, 001 and so on",
    )
    grid: bool = Field(True, description="write a labelled sheet (grid.png) if there are several images or inputs")
    gallery: bool = Field(
        True, description="write the page to look at a sweep with (index.html); a single run writes none"
    )
    metadata: Literal["full", "none"] = Field(
        "full", description="what the files carry: spec, lock and A1111 text, or nothing"
    )
