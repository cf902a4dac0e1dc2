"""Masks, whatever editor they come from: white is repainted.

Pipelines take a mask as black and white, cut at half (diffusers' ``VaeImageProcessor`` with ``do_binarize``). Unless a
setting changes it, they are given the image as it is, and cut it themselves.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

from tcdflow.inputs.decode import alpha, decode
from tcdflow.inputs.fit import fit
from tcdflow.spec.inputs import MaskUse, Paste, Size

HALF = 128
"""The lowest value that pipelines take for white, of 255."""


def values(path: Path, use: MaskUse) -> Image.Image:
    """Return what a mask is made of, at the size of its file: RGB, or L of its alpha channel.

    Raises:
        SourceError: as :func:`tcdflow.inputs.decode.decode`.
    """
    return alpha(path) if use.channel == "alpha" else decode(path, use.behind, managed=False).image


def mask(path: Path, use: MaskUse, size: Size) -> Image.Image:
    """Return the mask that a pipeline is given.

    Args:
        path: of the mask's file.
        use: what is made of it.
        size: of the run in pixels, width first.

    Returns:
        RGB, of the run's size.

    Raises:
        SourceError: as :func:`tcdflow.inputs.decode.decode`.
    """
    image = values(path, use)
    if use.threshold != HALF:
        image = hard(image, use.threshold)
    image = fit(image, *size, use.fit)
    if use.invert:
        image = ImageChops.invert(image)
    if use.padding:
        image = _grown(hard(image), use.padding)
    return image.convert("RGB")


def hard(image: Image.Image, threshold: int = HALF) -> Image.Image:
    """Return an image as L of 0 and 255 alone, cut as pipelines cut a mask."""
    return image.convert("L").point([255 * (value >= threshold) for value in range(256)])


def _grown(image: Image.Image, pixels: int) -> Image.Image:
    """Return a mask whose white part reaches further to all sides, as ``MaxFilter(2 * pixels + 1)`` has it, but faster.

    A mean over a line is above 0 where there is white in it, as long as 8 bits can tell: up to 200 pixels a side.
    """
    for reach in ((pixels, 0), (0, pixels)):
        image = image.filter(ImageFilter.BoxBlur(reach)).point([0] + [255] * 255)
    return image


def soft(image: Image.Image, blur: float) -> Image.Image:
    """Return a mask to mix two images by: L, hard, or blurred by a Gaussian of that standard deviation in pixels."""
    cut = hard(image)
    return cut.filter(ImageFilter.GaussianBlur(blur)) if blur else cut


def pasted(image: Image.Image, paste: Paste) -> Image.Image:
    """Return an image with the pixels of another outside a mask, exactly."""
    return Image.composite(image.convert("RGB"), paste.image, paste.mask)
