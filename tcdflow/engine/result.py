"""The result of a run, for programs and notebooks."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tcdflow.record.document import Record


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        images: its images, in the order of their seeds; of animations the first frames.
        record: the content of its ``run.json``.
        directory: where both are.
        animations: the frames of its animations, in the order of their seeds; empty for images that do not move.
    """

    images: tuple[Image.Image, ...]
    record: Record
    directory: Path
    animations: tuple[tuple[Image.Image, ...], ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the images."""
        return tuple(self.directory / output.file for output in self.record.outputs)

    def __repr__(self) -> str:
        return f"<Result: {len(self.images)} image(s) in {self.directory}>"

    def _repr_png_(self) -> bytes:
        """Show the images in a notebook, side by side."""
        width, height = self.images[0].size
        strip = Image.new("RGB", (width * len(self.images), height))
        for number, image in enumerate(self.images):
            strip.paste(image, (number * width, 0))
        buffer = io.BytesIO()
        strip.save(buffer, format="PNG")
        return buffer.getvalue()
