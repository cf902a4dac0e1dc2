"""What an image file is, told from its header: its format and size, and what it is not."""

from __future__ import annotations

import os
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from tcdflow.errors import SourceError
from tcdflow.spec.formats import INPUT_ONLY, MAX_PIXELS, all_formats
from tcdflow.text import any_of, printable, reason

_TIFF = (b"II*\0", b"MM\0*")
_LOOKALIKES = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"%pdf", "PDF"),
    (b"%!ps", "PostScript"),
    (b"{", "JSON"),
    (b"version https://git-lfs", "a Git LFS pointer: the image itself was not checked out"),
    (b"8bps", "PSD; export it as PNG"),
    (b"gimp xcf", "XCF; export it as PNG"),
    (b"v/1\x01", "OpenEXR; export it as PNG or 32-bit TIFF"),
    (b"#?radiance", "Radiance HDR; export it as PNG or 32-bit TIFF"),
    (b"#?rgbe", "Radiance HDR; export it as PNG or 32-bit TIFF"),
    (b"\xff\x0a", "JPEG XL; export it as PNG"),
    (b"\0\0\0\x0cjxl ", "JPEG XL; export it as PNG"),
)
_warnings_lock = threading.Lock()  # the filters of warnings belong to the whole process


def input_formats() -> tuple[str, ...]:
    """Return Pillow's names of what is accepted: it also reads formats that start other programs (EPS)."""
    Image.preinit()  # of the usual formats; Pillow loads all its plug-ins at the first name beyond them
    return tuple(sorted(suffixes(), key=lambda name: (name not in Image.OPEN, name)))


def check_image(path: Path) -> tuple[int, int]:
    """Check from its header, without decoding, that a file is an image that tcdflow reads.

    Returns:
        Width and height in pixels, after the EXIF orientation is applied; of the first frame.

    Raises:
        SourceError: if it is missing, of another format than those that runs write (MP4 aside), BMP and TIFF, damaged,
            or larger than 64 megapixels (8192 × 8192).
    """
    return measure(path, str(path))[1]


@contextmanager
def reading(path: Path, name: str | None = None) -> Iterator[None]:
    """Turn whatever a decoder raises into one line, and keep its warnings to itself.

    Args:
        path: the image that is decoded meanwhile.
        name: what the message calls it; None is its path.

    Raises:
        SourceError: naming the image.
    """
    name = name or str(path)
    try:
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except SourceError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise image_problem(name, "has more than 64 megapixels (8192 × 8192)") from None
    except UnidentifiedImageError:
        raise image_problem(name, _what_it_is_not(path)) from None
    except OSError as error:
        raise image_problem(name, f"cannot be read as an image: {error.strerror or reason(error)}") from None
    except Exception as error:  # untrusted bytes: decoders raise SyntaxError, struct.error, KeyError, …
        raise image_problem(
            name, f"cannot be read as an image: damaged ({type(error).__name__}: {reason(error)})"
        ) from None


def measure(path: Path, shown: str) -> tuple[str, tuple[int, int]]:
    """Check a file as :func:`check_image` does, and return its format (Pillow's name) and size.

    Args:
        path: the file.
        shown: what messages call it.
    """
    with reading(path, shown), Image.open(path, formats=input_formats()) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise image_problem(shown, f"has {width} × {height} pixels; 64 megapixels (8192 × 8192) are allowed")
        if _is_camera_raw(image):
            what = "is a camera's raw file, of which only a small preview can be read; export it as PNG or TIFF"
            raise image_problem(shown, what)
        # PNG's own getexif decodes the pixels if there is no EXIF before them; so few files have it behind them that
        # they can pay for it, and no other.
        behind = image.format == "PNG" and _has_metadata_behind_pixels(path)
        exif = image.getexif() if behind else Image.Image.getexif(image)
        turned_already = ExifTags.Base.Orientation in getattr(image, "tag_v2", ())  # TIFF's size takes it in
        if exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8) and not turned_already:
            width, height = height, width
        # MPO is a JPEG with more images behind the first, as many cameras write it.
        return "JPEG" if image.format == "MPO" else image.format or "", (width, height)


def _is_camera_raw(image: Image.Image) -> bool:
    """Say whether a TIFF begins with a reduced image before the others (NEF, ARW, …), or is a DNG or CR2."""
    tags = getattr(image, "tag_v2", {})
    reduced = bool(tags.get(254, 0) & 1) and 330 in tags  # NewSubfileType, SubIFDs
    return reduced or 50706 in tags or 50752 in tags  # DNGVersion, CR2's slices


def suffixes() -> dict[str, str]:
    """Return the suffix of each accepted format, by Pillow's name."""
    known = {format.pillow: format.suffix for format in all_formats() if format.pillow}
    return known | {name: first for name, (first, *_) in INPUT_ONLY.items()}


def _has_metadata_behind_pixels(png: Path) -> bool:
    with png.open("rb") as file:
        file.seek(8)
        pixels = False
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if pixels and kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
                return True
            pixels = pixels or kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)
    return False


def _what_it_is_not(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "is empty"
    readable = [format for format in all_formats() if format.pillow]
    labels = [format.label for format in readable if format.claims(start)]
    if labels or start.startswith(_TIFF):
        return f"begins like {next(iter(labels), 'TIFF')} but cannot be read: damaged or cut short"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    like = [name for magic, name in _LOOKALIKES if text.startswith(magic)]
    if start[4:8] == b"ftyp":
        like = ["HEIC or a video"]
    known = any_of([*INPUT_ONLY, *(format.label for format in readable)])
    return f"is not an image in a known format ({known})" + (f"; it looks like {like[0]}" if like else "")


def image_problem(name: str, what: str) -> SourceError:
    """Return an error of an image, in one line that is safe to print."""
    return SourceError(printable(f"'{name if len(name) <= 300 else name[:297] + '...'}': {what}"))
