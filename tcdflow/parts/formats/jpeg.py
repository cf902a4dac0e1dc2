"""JPEG: A1111 text as the EXIF comment, recipe in the XMP packet."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from tcdflow.parts.encoding.exif_xmp import MAX_PARTS, exif_and_xmp, recipe_in_xmp
from tcdflow.parts.encoding.pillow import decoded
from tcdflow.spec.formats import IMAGE_FORMATS, Encoded, ImageFormat, Texts

if TYPE_CHECKING:
    from PIL import Image

MAX_SEGMENT = 65_000
"""Bytes of EXIF or XMP: a segment holds 65,533 with its headers."""

_XMP = b"http://ns.adobe.com/xap/1.0/\0"


class Jpeg(ImageFormat):
    """JPEG."""

    label = "JPEG"
    suffix = ".jpg"
    other_suffixes = (".jpeg",)
    media_type = "image/jpeg"
    description = "small, read by everything, never lossless; A1111 text in EXIF, recipe in XMP"
    pillow = "JPEG"

    def claims(self, start: bytes) -> bool:
        return start.startswith(b"\xff\xd8")

    def encode(self, image: Image.Image, texts: Texts | None, quality: int) -> Encoded:
        metadata, inside = exif_and_xmp(texts, MAX_SEGMENT)
        # At high quality colours keep their full resolution too: halved, red edges are the first thing one sees.
        subsampling = 0 if quality >= 90 else 2
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=quality, subsampling=subsampling, optimize=True, **metadata)
        return Encoded(buffer.getvalue(), inside)

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        return decoded(file, "JPEG")

    def recipe(self, file: BinaryIO) -> bytes | None:
        file.seek(2)
        for _ in range(MAX_PARTS):
            marker = file.read(2)
            if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):  # end, or the image itself
                return None
            if marker[1] == 0xFF:  # a fill byte
                file.seek(-1, os.SEEK_CUR)
                continue
            if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:  # markers that stand alone
                continue
            body = file.read(max(int.from_bytes(file.read(2), "big") - 2, 0))
            if marker[1] == 0xE1 and body.startswith(_XMP):
                found = recipe_in_xmp(body)
                if found is not None:
                    return found
        return None


IMAGE_FORMATS.add("jpeg", Jpeg())
