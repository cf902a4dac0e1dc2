"""File formats of images and animations, as parts: what each has to say, and the two registries that find them.

A format is one file below ``tcdflow.parts.formats``. Its name is then allowed in ``output.format`` or
``output.animation``; file names, what is cleaned up, read back, rerun and accepted as an input image follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from tcdflow.spec.registry import Registry
from tcdflow.text import any_of

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 8192 * 8192
"""Of an image or frame: as many as a run can ask for."""

MAX_FRAMES = 1024
MAX_RECIPE = 16_000_000
"""Bytes of a recipe: more is not read back."""

START = 32
"""Bytes of a file by which a format knows it."""


@dataclass(frozen=True)
class Texts:
    """What an image carries.

    Attributes:
        parameters: the A1111 text, which galleries read.
        recipe: JSON of all that makes the image again.
    """

    parameters: str
    recipe: str


@dataclass(frozen=True)
class Encoded:
    """A file's bytes.

    Attributes:
        data: the same for the same frames and texts, with no date and no name of a program in it.
        has_recipe: whether the recipe is inside. One that is not goes into a ``.json`` beside the file.
    """

    data: bytes
    has_recipe: bool = False


class FileFormat(ABC):
    """What formats of images and of animations have in common. One object a format; it holds no state.

    Files that are read back may be untrusted: whatever their bytes, :meth:`frames` and :meth:`recipe` end in a result
    or an exception, within bounds of memory, and neither runs nor fetches anything. The text of an exception becomes
    part of one line that names the file.

    Attributes:
        label: how the format is written in a sentence: ``"WebP"``.
        suffix: of its files, with the dot.
        other_suffixes: that its files have where others wrote them.
        description: one line for whoever chooses a format; what ``quality`` 100 means belongs in it.
        pillow: Pillow's name of the format, if Pillow reads it: input images may have it then. None if it does not.
        media_type: by which browsers show its files; None if they show none.
    """

    label: ClassVar[str]
    suffix: ClassVar[str]
    other_suffixes: ClassVar[tuple[str, ...]] = ()
    description: ClassVar[str]
    pillow: ClassVar[str | None] = None
    media_type: ClassVar[str | None] = None

    @abstractmethod
    def claims(self, start: bytes) -> bool:
        """Say whether a file that begins with these bytes (up to 32) is of this format. At most one format says so."""

    @abstractmethod
    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        """Yield the frames that a file stores, as RGB images; of a still image the one.

        Args:
            file: at its beginning, seekable.

        Raises:
            Exception: if it is damaged, or has more than :data:`MAX_PIXELS` a frame or :data:`MAX_FRAMES`.
        """

    def recipe(self, file: BinaryIO) -> bytes | None:
        """Return the recipe inside a file, its pixels not decoded; None if there is none.

        Args:
            file: at its beginning, seekable.

        Raises:
            OSError, ValueError: if it is damaged; a recipe of over :data:`MAX_RECIPE` bytes is not unpacked.
        """
        return None


class ImageFormat(FileFormat):
    """A format of still images.

    Attributes:
        lossless: whether what is read back always equals what was written, so that nobody has to look.
    """

    lossless: ClassVar[bool] = False

    def keeps(self, quality: int) -> bool:
        """Say whether every pixel is kept at a quality from 1 to 100."""
        return self.lossless

    @abstractmethod
    def encode(self, image: Image.Image, texts: Texts | None, quality: int) -> Encoded:
        """Return an image as a file.

        Args:
            image: RGB, with nothing in its ``info``.
            texts: what to put inside; None puts in nothing.
            quality: 1 to 100.

        Raises:
            OSError, ValueError: if the format cannot hold such an image.
        """


class AnimationFormat(FileFormat):
    """A format of animations.

    Attributes:
        max_fps: frames a second beyond which it shows an animation slower than asked.
    """

    max_fps: ClassVar[int] = 60

    @abstractmethod
    def encode(
        self, frames: Sequence[Image.Image], texts: Texts | None, *, fps: int, loop: bool, quality: int
    ) -> Encoded:
        """Return an animation as a file.

        Args:
            frames: RGB, all of one size, with nothing in their ``info``; 1 to 1024.
            texts: what to put inside; None puts in nothing.
            fps: frames a second, 1 to 60.
            loop: whether it starts again when it has ended, where the format can say so.
            quality: 1 to 100, of formats that lose something.

        Raises:
            OSError, ValueError: if it cannot be encoded.
        """


IMAGE_FORMATS: Registry[ImageFormat] = Registry("image format", "tcdflow.parts.formats")
ANIMATION_FORMATS: Registry[AnimationFormat] = Registry("animation format", "tcdflow.parts.formats")


def all_formats() -> list[FileFormat]:
    """Return every format, those of images first."""
    return [*IMAGE_FORMATS.values(), *ANIMATION_FORMATS.values()]


INPUT_ONLY = {"BMP": (".bmp",), "TIFF": (".tif", ".tiff")}
"""Suffixes by Pillow's name of what is read and not written."""


def input_suffixes() -> set[str]:
    """Return the suffixes that input images have."""
    known = [(format.suffix, *format.other_suffixes) for format in all_formats() if format.pillow]
    return {suffix for suffixes in (*known, *INPUT_ONLY.values()) for suffix in suffixes}


def format_of(start: bytes) -> FileFormat:
    """Return the format of a file that begins with these bytes.

    Raises:
        ValueError: if none claims it.
    """
    for format in all_formats():
        if format.claims(start):
            return format
    raise ValueError(f"is not in a known format ({any_of(format.label for format in all_formats())})")
