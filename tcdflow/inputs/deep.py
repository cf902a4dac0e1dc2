"""Images of 16 and 32 bits a pixel, scaled to 8. Depth maps are such.

Pillow clips them: all of a 16-bit depth map beyond 255 of 65,535 would be white. Images of 16 bits a channel in colour
come out of Pillow scaled already.
"""

from __future__ import annotations

import math

from PIL import Image, ImageMath

DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Pillow's modes of one channel with more than 8 bits."""

_MOST = 65_535
_HALF = 32_768
"""What uses no more of the range is told of: Photoshop writes 15 bits as 16, depth cameras millimetres."""


def to_eight_bits(image: Image.Image) -> tuple[Image.Image, str | None]:
    """Scale an image of one channel.

    16 bits are scaled from 0..65535. 32 bits say nothing of what is white, so the values themselves decide: they are
    read as 0..1 (floats), as 0..255 or as 0..65535 if all lie there, and are else stretched from lowest to highest.

    Args:
        image: of one of the modes :data:`DEEP`.

    Returns:
        The image as L, and a note on what is probably not meant.

    Raises:
        ValueError: if values are infinite or undefined.
    """
    sixteen = image.mode.startswith("I;16")
    if sixteen:
        image = image.convert("I")
    low, high = _extremes(image)
    if sixteen:
        note = f"has 16 bits a pixel and goes up to {high:g} of {_MOST} only, so that it is dark"
        return _scaled(image, 0, _MOST), note if 0 < high <= _HALF else None
    black, white = _range(low, high, fraction=image.mode == "F")
    note = f"has 32 bits a pixel, with values from {low:g} to {high:g}: {black:g} is black and {white:g} is white"
    return _scaled(image, black, white), note


def _extremes(image: Image.Image) -> tuple[float, float]:
    found = image.getextrema()
    low, high = (float(value) for value in found)  # type: ignore[arg-type]
    undefined = image.mode == "F" and ImageMath.lambda_eval(lambda of: of["x"] != of["x"], x=image).getextrema()[1]
    if undefined or not math.isfinite(low) or not math.isfinite(high):
        raise ValueError("it holds infinite or undefined numbers")
    return low, high


def _range(low: float, high: float, *, fraction: bool) -> tuple[float, float]:
    if low >= 0:
        for most in (1.0, 255.0, float(_MOST)) if fraction else (255.0, float(_MOST)):
            if high <= most:
                return 0.0, most
    return low, high


def _scaled(image: Image.Image, black: float, white: float) -> Image.Image:
    if (black, white) == (0, 255):
        return image.convert("L")  # the values as they are, as Pillow has always read them
    scale = 255 / (white - black) if white > black else 0.0
    # To the nearest: Pillow cuts off what is behind the point.
    return image.convert("F").point(lambda value: value * scale + (0.5 - black * scale)).convert("L")
