"""Bringing an input image to the size of the run."""

from __future__ import annotations

from PIL import Image

from tcdflow.spec.inputs import Fit


def fit(image: Image.Image, width: int, height: int, how: Fit) -> Image.Image:
    """Bring an image to a size, in pixels.

    Args:
        image: any image.
        width: of the result, at least 1.
        height: of the result, at least 1.
        how: ``resize`` stretches it, with Pillow's default filter (bicubic), as ``image.resize((width, height))``;
            ``crop`` first takes the largest centred cut of the shape of the result, to within half a pixel;
            ``none`` returns it unchanged, whatever its size.
    """
    if how == "none":
        return image
    if how == "crop":
        image = image.crop(largest_cut(image.size, (width, height)))
    return image.resize((width, height))


def largest_cut(size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in whole pixels, so that a cut of the right size is cut and not resampled."""
    (width, height), (across, down) = size, shape
    if width * down > height * across:
        cut = (max(1, _rounded(height * across, down)), height)
    else:
        cut = (width, max(1, _rounded(width * down, across)))
    left, top = (width - cut[0]) // 2, (height - cut[1]) // 2
    return left, top, left + cut[0], top + cut[1]


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
