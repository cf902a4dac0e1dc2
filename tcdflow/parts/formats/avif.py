"""AVIF, where Pillow was built with it: A1111 text as the EXIF comment, recipe in the XMP packet."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from tcdflow.libraries.pillow import has_avif
from tcdflow.parts.encoding.exif_xmp import exif_and_xmp, recipe_in_xmp
from tcdflow.parts.encoding.pillow import decoded
from tcdflow.spec.formats import IMAGE_FORMATS, Encoded, ImageFormat, Texts

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE = 256 * 2**20
"""Bytes: Pillow reads a file whole, and none that a run writes is as large, with 8192² pixels."""


class Avif(ImageFormat):
    """AVIF. Quality 100 is off by up to three levels of 255: Pillow writes YCbCr, whatever the quality."""

    label = "AVIF"
    suffix = ".avif"
    media_type = "image/avif"
    description = "smaller than JPEG, much slower to write, never lossless; A1111 text in EXIF, recipe in XMP"
    pillow = "AVIF"

    def claims(self, start: bytes) -> bool:
        brand = start[8:12]
        return start[4:8] == b"ftyp" and (brand in (b"avif", b"avis") or (brand == b"mif1" and b"avif" in start[16:]))

    def encode(self, image: Image.Image, texts: Texts | None, quality: int) -> Encoded:
        metadata, inside = exif_and_xmp(texts)
        # As in a JPEG, colours keep their full resolution at high quality. The number of threads would decide bits.
        subsampling = "4:4:4" if quality >= 90 else "4:2:0"
        buffer = io.BytesIO()
        image.save(buffer, format="AVIF", quality=quality, subsampling=subsampling, max_threads=1, **metadata)
        return Encoded(buffer.getvalue(), inside)

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        _check_size(file)
        return decoded(file, "AVIF")

    def recipe(self, file: BinaryIO) -> bytes | None:
        # Through Pillow, that is libavif: it opens untrusted files for browsers, and decodes no pixel to find this.
        from PIL import Image, UnidentifiedImageError

        _check_size(file)
        try:
            with Image.open(file, formats=("AVIF",)) as image:
                return recipe_in_xmp(image.info.get("xmp", b""))
        except (UnidentifiedImageError, Image.DecompressionBombError):
            raise ValueError("begins like AVIF but cannot be read: damaged, cut short or too large") from None


def _check_size(file: BinaryIO) -> None:
    if file.seek(0, os.SEEK_END) > MAX_FILE:
        raise ValueError(f"is larger than {MAX_FILE // 2**20} MiB: more than any run makes")
    file.seek(0)


if has_avif():
    IMAGE_FORMATS.add("avif", Avif())
