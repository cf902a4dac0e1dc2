"""GIF of animations: a palette a frame, and the recipe in a file beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from tcdflow.parts.encoding.delays import delays
from tcdflow.parts.encoding.pillow import decoded
from tcdflow.spec.formats import ANIMATION_FORMATS, AnimationFormat, Encoded, Texts

if TYPE_CHECKING:
    from PIL import Image

SHORTEST_DELAY = 2
"""Hundredths of a second: viewers show a frame that asks for less ten hundredths long."""


class Gif(AnimationFormat):
    """GIF. At most 256 colours a frame, kept exactly if there are no more, else dithered.

    Delays are hundredths of a second, with the rounding spread so that the whole lasts as long as it should. Equal
    neighbours become one frame that is shown longer.
    """

    label = "GIF"
    suffix = ".gif"
    media_type = "image/gif"
    description = "plays everywhere; 256 colours a frame, at most 50 frames a second; the recipe in a .json beside it"
    pillow = "GIF"
    max_fps = 100 // SHORTEST_DELAY

    def claims(self, start: bytes) -> bool:
        return start.startswith(b"GIF8")

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        return decoded(file, "GIF")

    def encode(
        self, frames: Sequence[Image.Image], texts: Texts | None, *, fps: int, loop: bool, quality: int
    ) -> Encoded:
        # Pillow itself, and not imageio's plug-in of it: that takes arrays of colours, which Pillow would then
        # reduce to a palette in its own way, without dithering.
        indexed = [_indexed(frame) for frame in frames]
        buffer = io.BytesIO()
        indexed[0].save(
            buffer,
            format="GIF",
            save_all=True,
            append_images=indexed[1:],
            duration=[10 * delay for delay in delays(len(frames), fps, 100, SHORTEST_DELAY)],
            optimize=False,
            **({"loop": 0} if loop else {}),
        )
        return Encoded(buffer.getvalue())


def _indexed(rgb: Image.Image) -> Image.Image:
    from PIL import Image

    palette = rgb.quantize(256, method=Image.Quantize.MEDIANCUT)
    if rgb.getcolors(256) is not None:
        return palette
    dithered = rgb.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    dithered.info = {}
    return dithered


ANIMATION_FORMATS.add("gif", Gif())
