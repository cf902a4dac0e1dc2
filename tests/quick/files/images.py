"""Input images as bytes, and what is said of one that cannot be had."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tcdflow.errors import SourceError
from tcdflow.files.images import resolve_image
from tcdflow.spec.formats import all_formats
from tcdflow.text import any_of

ORIENTATION = 0x0112


def encoded(kind: str = "PNG", size: tuple[int, int] = (12, 9), orientation: int | None = None) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    Image.effect_noise(size, 90).convert("RGB").save(buffer, kind, exif=exif)
    return buffer.getvalue()


PNG = encoded(size=(60, 40))
KNOWN = any_of(["BMP", "TIFF", *(format.label for format in all_formats() if format.pillow)])


def complaint(text: str) -> str:
    with pytest.raises(SourceError) as caught:
        resolve_image("task.image", text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message
