"""Colours as the eye sees them: an image's ICC profile is applied, by LittleCMS, and sRGB comes out.

Telephones and screens are wider than sRGB (Display P3), cameras may write Adobe RGB, print works in CMYK: without its
profile each of them looks duller or brighter than it is. A profile that is sRGB's own changes nothing, not a bit.
"""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
"""A profile's name of the colours of a mode."""

_ROUNDING = 2
"""Of 255: how far a profile that is sRGB's may be from it."""


def problem(image: Image.Image) -> str | None:
    """Say what of an image's colours cannot be known, from its header."""
    profile = image.info.get("icc_profile")
    if not profile:
        return "is CMYK without a colour profile, so that its colours are a guess" if image.mode == "CMYK" else None
    if image.mode not in ("RGB", "RGBA", "L", "LA", "P", "PA", "CMYK"):
        return None
    try:
        _transform(profile, _plain(image.mode))
    except ImageCms.PyCMSError:
        return "has a colour profile that cannot be used, so that its colours may be others"
    return None


def in_srgb(image: Image.Image) -> Image.Image:
    """Return an image without transparency as RGB, its colours in sRGB.

    Args:
        image: of 8 bits a channel; its profile is in its ``info``.
    """
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        profile = profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    if not profile:
        return image.convert("RGB")
    try:
        transform = _transform(profile, image.mode)
    except ImageCms.PyCMSError:
        return image.convert("RGB")
    if transform is None:
        return image.convert("RGB")
    source = image.convert("RGB") if image.mode == "L" and transform.input_mode == "RGB" else image
    return ImageCms.applyTransform(source, transform) or source


def _plain(mode: str) -> str:
    return "L" if mode in ("L", "LA") else "CMYK" if mode == "CMYK" else "RGB"


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, or None if it is sRGB's own.

    Raises:
        PyCMSError: if it is damaged, or of other colours than the image's.
    """
    try:
        known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = known.profile.xcolor_space.strip()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ImageCms.PyCMSError(error) from error
    if mode == "L" and space == "RGB":  # a grey image that was saved with the profile of its editor
        mode = "RGB"
    if space != _SPACES[mode]:
        raise ImageCms.PyCMSError(f"a profile of {space} for an image of {mode}")
    transform = ImageCms.buildTransform(
        known,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return None if mode in ("RGB", "L") and _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Say whether colours come out as they went in: of each sixteenth value, in all combinations of three."""
    steps = [*range(0, 256, 17)]
    if mode == "L":
        probe = Image.frombytes("L", (len(steps), 1), bytes(steps))
    else:
        colours = bytes(value for red in steps for green in steps for blue in steps for value in (red, green, blue))
        probe = Image.frombytes("RGB", (len(steps) ** 2, len(steps)), colours)
    after = ImageCms.applyTransform(probe, transform)
    assert after is not None
    pairs = zip(probe.convert("RGB").tobytes(), after.tobytes(), strict=True)
    return all(abs(one - other) <= _ROUNDING for one, other in pairs)
