"""Untrusted files decoded by Pillow, within bounds.

Not through imageio's plug-in of it, which lets Pillow try every format that it knows; among them are some that start
other programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from tcdflow.spec.formats import MAX_FRAMES, MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image


def decoded(file: BinaryIO, format: str) -> Iterator[Image.Image]:
    """Yield the RGB frames of a file: one for a still image.

    Args:
        file: at its beginning.
        format: Pillow's name of the only format that is tried.

    Raises:
        OSError: or whatever else Pillow says of bytes that are not.
        ValueError: if it has more than 8192² pixels or 1024 frames.
    """
    # Here, for every command asks for the names of the formats, and few for more.
    from PIL import Image

    from tcdflow.record.pixels import plain

    with Image.open(file, formats=(format,)) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels: more than any run makes")
        count = getattr(image, "n_frames", 1)
        if count > MAX_FRAMES:
            raise ValueError(f"{count} frames: more than any run makes")
        for number in range(count):
            image.seek(number)
            yield plain(image)
