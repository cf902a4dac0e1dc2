"""WebP: A1111 text as the EXIF comment, recipe in the XMP packet, each a chunk of its own."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from struct import unpack
from typing import TYPE_CHECKING, BinaryIO

from tcdflow.parts.encoding.exif_xmp import MAX_PARTS, exif_and_xmp, recipe_in_xmp
from tcdflow.parts.encoding.pillow import decoded
from tcdflow.spec.formats import IMAGE_FORMATS, MAX_RECIPE, Encoded, FileFormat, ImageFormat, Texts

if TYPE_CHECKING:
    from PIL import Image


class WebPFile(FileFormat):
    """What a WebP is, whether it moves or not."""

    label = "WebP"
    suffix = ".webp"
    media_type = "image/webp"
    pillow = "WEBP"

    def claims(self, start: bytes) -> bool:
        return start[:4] == b"RIFF" and start[8:12] == b"WEBP"

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        return decoded(file, "WEBP")

    def recipe(self, file: BinaryIO) -> bytes | None:
        file.seek(12)
        for _ in range(MAX_PARTS):
            head = file.read(8)
            if len(head) < 8:
                return None
            kind, length = unpack("<4sI", head)
            if kind == b"XMP " and length <= 2 * MAX_RECIPE:
                return recipe_in_xmp(file.read(length))
            file.seek(length + length % 2, os.SEEK_CUR)
        return None


class WebP(WebPFile, ImageFormat):
    """WebP of an image."""

    description = "smaller than PNG and JPEG; quality 100 is lossless; A1111 text in EXIF, recipe in XMP"

    def keeps(self, quality: int) -> bool:
        return quality == 100

    def encode(self, image: Image.Image, texts: Texts | None, quality: int) -> Encoded:
        metadata, inside = exif_and_xmp(texts)
        buffer = io.BytesIO()
        image.save(buffer, format="WEBP", quality=quality, lossless=self.keeps(quality), **metadata)
        return Encoded(buffer.getvalue(), inside)


IMAGE_FORMATS.add("webp", WebP())
