"""Pixels as numbers: read back from files, and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from tcdflow.errors import RecordError
from tcdflow.text import about

MAX_PIXELS = 8192 * 8192
"""Of one image or frame: as many as a run can ask for."""

MAX_FRAMES = 1024
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def plain(image: Image.Image) -> Image.Image:
    """Return an image as RGB that has nothing but pixels: no profile, comment, place or camera from where it was."""
    rgb = image.convert("RGB")
    rgb = rgb.copy() if rgb is image else rgb
    rgb.info = {}
    return rgb


def pixel_sha256(image: Image.Image) -> str:
    """Return the hex SHA-256 of the RGB bytes, row by row: equal for equal pixels, whatever the file format."""
    return frames_sha256((image,))


def frames_sha256(frames: Iterable[Image.Image]) -> str:
    """Return the hex SHA-256 of the frames' RGB bytes, one frame after the other."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.convert("RGB").tobytes())
    return digest.hexdigest()


def frames_of(path: Path) -> Iterator[Image.Image]:
    """Yield the RGB frames that a file holds: one for an image, and those stored for an animation.

    Args:
        path: a PNG, JPEG, WebP or GIF file, or an MP4 by its suffix.

    Raises:
        RecordError: if it cannot be read or is no such file, has more than 8192² pixels or 1024 frames.
    """
    if path.suffix.lower() == ".mp4":
        from tcdflow.record import mp4

        yield from mp4.decoded(path)
        return
    try:
        yield from decoded(path)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        what = "is no image" if isinstance(error, UnidentifiedImageError) else f"cannot be decoded: {error}"
        raise RecordError(about(path, what)) from None


def decoded(file: Path | BinaryIO) -> Iterator[Image.Image]:
    """Yield the RGB frames of a PNG, JPEG, WebP or GIF file.

    Raises:
        OSError: or whatever else Pillow says of bytes that are none.
        ValueError: if it has more than 8192² pixels or 1024 frames.
    """
    with Image.open(file, formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels: more than any run makes")
        count = getattr(image, "n_frames", 1)
        if count > MAX_FRAMES:
            raise ValueError(f"{count} frames: more than any run makes")
        for number in range(count):
            image.seek(number)
            yield plain(image)
