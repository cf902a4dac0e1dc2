"""Input images as the eye sees them: upright, in sRGB, with 8 bits a channel, nothing transparent.

An opaque 8-bit sRGB image has the pixels of ``diffusers.utils.load_image``. Unlike there, transparency is not dropped
but shows what is behind the image, deep images are scaled and not clipped, and a colour profile is applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from tcdflow.files.image_header import check_image, input_formats, reading
from tcdflow.inputs import colour
from tcdflow.inputs.deep import DEEP, to_eight_bits
from tcdflow.inputs.hdr import transfer
from tcdflow.spec.inputs import Background

_RGB = {"white": (255, 255, 255), "black": (0, 0, 0)}


@dataclass(frozen=True)
class Decoded:
    """An image, and what of its file is probably not meant.

    Attributes:
        image: RGB, upright.
        notes: each continues a sentence that begins with the image's name.
    """

    image: Image.Image
    notes: tuple[str, ...] = field(default_factory=tuple)


def decode(path: Path, behind: Background = "white", *, managed: bool = True) -> Decoded:
    """Decode an image; of an animated one the first frame.

    Args:
        path: of the file.
        behind: colour that shows through where it is transparent.
        managed: apply its colour profile; a mask's values are taken as they are.

    Raises:
        SourceError: in one line, if the file is missing, no image, over 64 megapixels, damaged or cut short, or holds
            undefined numbers.
    """
    with opened(path) as image:
        notes = list(_header_notes(image, path, managed=managed))
        upright = ImageOps.exif_transpose(image)
        if upright.mode in DEEP:
            upright, note = to_eight_bits(upright)
            upright.info.pop("transparency", None)  # a value of 16 bits, of which none is left
            notes += [note] if note else []
        opaque, note = _flattened(upright, behind)
        notes += [note] if note else []
        return Decoded(colour.in_srgb(opaque) if managed else opaque.convert("RGB"), tuple(notes))


def notes(path: Path, behind: Background = "white", *, managed: bool = True) -> tuple[str, ...]:
    """Return the notes of :func:`decode`, decoding only what the header leaves open: depth and transparency."""
    with opened(path) as image:
        if not image.has_transparency_data and image.mode not in DEEP:
            return tuple(_header_notes(image, path, managed=managed))
    return decode(path, behind, managed=managed).notes


def alpha(path: Path) -> Image.Image:
    """Return the opacity of an image, upright: L, 255 where it is opaque; all 255 for one without transparency."""
    with opened(path) as image:
        return ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")


def has_alpha(path: Path) -> bool:
    """Say from its header whether an image can be transparent."""
    with opened(path) as image:
        return image.has_transparency_data


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a checked image; what its decoder raises becomes one line."""
    check_image(path)
    with reading(path), Image.open(path, formats=input_formats()) as image:
        yield image


def _header_notes(image: Image.Image, path: Path, *, managed: bool) -> Iterator[str]:
    # The second image of an MPO is a preview or a map of depths, for all who take photos with a telephone.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        yield "has several frames or pages; the first is taken"
    if curve := transfer(path, image.format or ""):
        yield f"is HDR ({curve}), which is read as if it were not: its colours come out flat; export it as SDR"
    if managed and (problem := colour.problem(image)):
        yield problem


def _flattened(image: Image.Image, behind: Background) -> tuple[Image.Image, str | None]:
    """Lay a transparent image over a colour; opaque pixels stay as they are."""
    if not image.has_transparency_data:
        return image, None
    profile = image.info.get("icc_profile")
    rgba = image.convert("RGBA")
    clear = 1 - rgba.getchannel("A").histogram()[255] / (rgba.width * rgba.height)
    if not clear:
        flat, note = rgba.convert("RGB"), None
    else:
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, _RGB[behind]), rgba).convert("RGB")
        note = f"is transparent in {percent(clear)} of its pixels, which shows {behind} there"
    if profile is not None:
        flat.info["icc_profile"] = profile
    return flat, note


def percent(share: float) -> str:
    """Write a share that is not nothing."""
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"
