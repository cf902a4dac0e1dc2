"""Animated WebP, through imageio's Pillow plug-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tcdflow.parts.encoding.delays import delays
from tcdflow.parts.encoding.exif_xmp import exif_and_xmp
from tcdflow.parts.formats.webp import WebPFile
from tcdflow.spec.formats import ANIMATION_FORMATS, AnimationFormat, Encoded, Texts

if TYPE_CHECKING:
    from PIL import Image


class AnimatedWebP(WebPFile, AnimationFormat):
    """WebP of an animation. Equal neighbours become one frame that is shown longer."""

    description = "small, full colour, right to the millisecond; quality 100 is lossless; the recipe inside"

    def encode(
        self, frames: Sequence[Image.Image], texts: Texts | None, *, fps: int, loop: bool, quality: int
    ) -> Encoded:
        import imageio.v3 as iio
        import numpy as np

        metadata, inside = exif_and_xmp(texts)
        data = iio.imwrite(
            "<bytes>",
            [np.asarray(frame) for frame in frames],
            plugin="pillow",
            extension=".webp",
            duration=delays(len(frames), fps, 1000),
            loop=0 if loop else 1,
            lossless=quality == 100,
            quality=quality,
            method=4,
            **metadata,
        )
        return Encoded(data, inside)


ANIMATION_FORMATS.add("webp", AnimatedWebP())
