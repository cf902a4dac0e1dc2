"""Pixels as numbers: read back from files, and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from tcdflow.errors import RecordError
from tcdflow.record.data import opened
from tcdflow.spec.formats import START, FileFormat, format_of
from tcdflow.text import about, reason


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
        path: an image or animation of any format that runs write, by its content, whatever its name.

    Raises:
        RecordError: if it cannot be read or does not exist, has more than 8192² pixels or 1024 frames.
    """
    try:
        with opened(path) as file:
            format = format_of(file.read(START))
            file.seek(0)
            yield from _decoded(format, file)
    except OSError as error:
        raise RecordError(about(path, f"cannot be read: {error.strerror or error}")) from None
    except ValueError as error:
        raise RecordError(about(path, str(error))) from None


def _decoded(format: FileFormat, file: BinaryIO) -> Iterator[Image.Image]:
    try:
        yield from format.frames(file)
    except UnidentifiedImageError:
        raise ValueError(f"begins like {format.label} but cannot be read: damaged or cut short") from None
    except Exception as error:  # untrusted bytes: decoders raise SyntaxError, struct.error, KeyError, …
        raise ValueError(f"cannot be decoded: {reason(error)}") from None
