"""A coarser version of an image, for tile ControlNets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tcdflow.spec.inputs import Size
from tcdflow.spec.preprocessor import PREPROCESSORS, Preprocessor
from tcdflow.spec.script import Lines, ScriptFiles
from tcdflow.spec.types import Float

if TYPE_CHECKING:
    from PIL import Image


@PREPROCESSORS.register("tile")
class Tile(Preprocessor):
    """A coarser version of an image: tile ControlNets keep what it shows, and redraw its detail.

    It is reduced by averaging over ``factor`` pixels a side, and enlarged again by bicubic interpolation.
    """

    name: Literal["tile"]
    factor: Float = Field(
        4.0, ge=1.0, le=64.0, description="pixels a side that become one; 1 leaves the image as it is"
    )

    def __call__(self, image: Image.Image, size: Size, models: Mapping[str, Path], device: Any) -> Image.Image:
        """Return the image without detail finer than ``factor`` pixels."""
        from PIL import Image

        small = [max(1, round(side / self.factor)) for side in image.size]
        reduced = image.resize((small[0], small[1]), Image.Resampling.BOX)
        return reduced.resize(image.size, Image.Resampling.BICUBIC)

    def script(self, image: str, key: str, files: ScriptFiles) -> Lines:
        lines = Lines()
        lines.use("PIL", "Image")
        small = f"[max(1, round(side / {self.factor!r})) for side in {image}.size]"
        lines.inputs.append(f"coarse = {image}.resize({small}, Image.Resampling.BOX)")
        lines.inputs.append(f"{image} = coarse.resize({image}.size, Image.Resampling.BICUBIC)")
        return lines
