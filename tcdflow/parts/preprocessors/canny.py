"""Edges after Canny (1986), by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.inputs import Size
from tcdflow.spec.preprocessor import PREPROCESSORS, Preprocessor
from tcdflow.spec.script import Lines, ScriptFiles
from tcdflow.spec.types import Int

if TYPE_CHECKING:
    from PIL import Image


@PREPROCESSORS.register("canny")
class Canny(Preprocessor):
    """Edges after Canny (1986), white on black, by OpenCV with its 3 × 3 Sobel gradients.

    Thresholds are L1 norms of the gradient, in grey levels.
    """

    ground = "white"

    name: Literal["canny"]
    low: Int = Field(100, ge=0, le=10_000, description="gradients below are not edges")
    high: Int = Field(200, ge=0, le=10_000, description="gradients above are edges; between, if they touch one")

    def problems(self, key: str) -> Iterator[Problem]:
        """Yield thresholds in the wrong order."""
        if self.low > self.high:
            yield Problem(f"{key}.low", f"must be at most {key}.high = {self.high}", self.low)

    def __call__(self, image: Image.Image, size: Size, models: Mapping[str, Path], device: Any) -> Image.Image:
        """Return three equal channels, each value 0 or 255."""
        import cv2  # only who asks for edges waits for OpenCV
        import numpy as np
        from PIL import Image

        lines = cv2.Canny(np.array(image), self.low, self.high)
        return Image.fromarray(np.stack([lines] * 3, axis=2))

    def script(self, image: str, key: str, files: ScriptFiles) -> Lines:
        lines = Lines()
        lines.use("cv2")
        lines.use("numpy as np")
        lines.use("PIL", "Image")
        lines.inputs.append(f"edges = cv2.Canny(np.array({image}), {self.low!r}, {self.high!r})")
        lines.inputs.append(f"{image} = Image.fromarray(np.stack([edges] * 3, axis=2))")
        return lines
