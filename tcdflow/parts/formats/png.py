"""PNG: A1111 text and recipe as text chunks."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from struct import unpack
from typing import TYPE_CHECKING, BinaryIO

from tcdflow.parts.encoding.exif_xmp import MAX_PARTS, inflated
from tcdflow.parts.encoding.pillow import decoded
from tcdflow.spec.formats import IMAGE_FORMATS, MAX_RECIPE, Encoded, ImageFormat, Texts

if TYPE_CHECKING:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

CHUNK = "tcdflow"
"""Keyword of the compressed iTXt chunk with spec and lock."""

MAX_TEXT = 1_000_000
"""Bytes of text: with more than 1 MiB in a chunk Pillow, and who builds on it, refuses to open a file."""


class Png(ImageFormat):
    """PNG."""

    label = "PNG"
    suffix = ".png"
    media_type = "image/png"
    description = "keeps every pixel; A1111 text and recipe in text chunks; quality has no effect"
    pillow = "PNG"
    lossless = True

    def claims(self, start: bytes) -> bool:
        return start.startswith(b"\x89PNG")

    def encode(self, image: Image.Image, texts: Texts | None, quality: int) -> Encoded:
        info, inside = _chunks(texts) if texts else (None, False)
        buffer = io.BytesIO()
        image.save(buffer, format="PNG", pnginfo=info)
        return Encoded(buffer.getvalue(), inside)

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        return decoded(file, "PNG")

    def recipe(self, file: BinaryIO) -> bytes | None:
        file.seek(8)
        for _ in range(MAX_PARTS):
            head = file.read(8)
            if len(head) < 8:
                return None
            length, kind = unpack(">I4s", head)
            if kind == b"IEND":
                return None
            if kind != b"iTXt" or length > MAX_RECIPE:
                file.seek(length + 4, os.SEEK_CUR)
                continue
            body, check = file.read(length), file.read(4)
            keyword, _, rest = body.partition(b"\0")
            if keyword != CHUNK.encode():
                continue
            if check != zlib.crc32(kind + body).to_bytes(4, "big"):
                raise ValueError("its tcdflow chunk is damaged: the checksum does not match")
            texts = rest[2:].split(b"\0", 2)
            if len(texts) < 3 or rest[0] > 1 or rest[1] != 0:
                raise ValueError("its tcdflow chunk is malformed")
            return inflated(texts[2]) if rest[0] else texts[2]
        return None


def _chunks(texts: Texts) -> tuple[PngInfo, bool]:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if len(texts.parameters) <= MAX_TEXT // 4:
        info.add_text("parameters", texts.parameters)
    inside = len(texts.recipe.encode("utf-8")) <= MAX_TEXT
    if inside:
        info.add_itxt(CHUNK, texts.recipe, zip=True)
    return info, inside


IMAGE_FORMATS.add("png", Png())
