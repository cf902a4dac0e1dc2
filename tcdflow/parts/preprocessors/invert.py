"""The negative of an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tcdflow.spec.inputs import Size
from tcdflow.spec.preprocessor import PREPROCESSORS, Preprocessor
from tcdflow.spec.script import Lines, ScriptFiles

if TYPE_CHECKING:
    from PIL import Image


@PREPROCESSORS.register("invert")
class Invert(Preprocessor):
    """The negative of an image: ControlNets for lines read white on black, and people draw black on white."""

    ground = "white"

    name: Literal["invert"]

    def __call__(self, image: Image.Image, size: Size, models: Mapping[str, Path], device: Any) -> Image.Image:
        """Return 255 minus each value."""
        from PIL import ImageOps

        return ImageOps.invert(image)

    def script(self, image: str, key: str, files: ScriptFiles) -> Lines:
        lines = Lines(inputs=[f"{image} = ImageOps.invert({image})"])
        lines.use("PIL", "ImageOps")
        return lines
