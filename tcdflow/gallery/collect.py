"""What is in directories, image by image: what sheets and the library show. Nothing is written."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.files.hashes import has_hash
from tcdflow.gallery.axes import Placed
from tcdflow.gallery.beside import with_numbers
from tcdflow.gallery.find import find
from tcdflow.gallery.images import Shown, images
from tcdflow.record.pixels import frames_of, frames_sha256
from tcdflow.text import about


@dataclass(frozen=True)
class Collected:
    """Images of runs.

    Attributes:
        directories: that they were found in.
        identity: of all of them, the same whenever they are collected: of a sweep that of its plan.
        axes: what varies.
        images: in order, and the places of those that are not there.
        notes: what a person should be told.
    """

    directories: tuple[Path, ...]
    identity: str
    axes: tuple[Placed, ...]
    images: tuple[Shown, ...]
    notes: tuple[str, ...] = ()


def collect(directories: Sequence[Path]) -> Collected:
    """Read what is in directories: runs, sweeps, or several below.

    Raises:
        RecordError: if one is no directory, or holds no run.
    """
    found = find(directories)
    runs, unread = with_numbers(found.runs, directories[0] if len(directories) == 1 else None)
    axes, shown = images(replace(found, runs=runs))
    return Collected(tuple(directories), found.identity, tuple(axes), tuple(shown), (*found.notes, *unread))


def frames(image: Shown) -> tuple[Image.Image, ...]:
    """Return an image, or the frames of an animation, as RGB: those that its record tells of, and no others.

    Raises:
        RecordError: if it is not there, cannot be read, or is not what was recorded.
    """
    if image.output is None:
        raise RecordError(about(image.run.directory, f"has no image: {image.status}, {image.reason}"))
    path = Path(image.path)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise RecordError(about(path, "is not a file"))
    except OSError as error:
        raise RecordError(about(path, f"cannot be read: {error.strerror}")) from None
    read = tuple(frames_of(path))
    if not has_hash(path, image.output.sha256) and frames_sha256(read) != image.output.pixel_sha256:
        raise RecordError(about(path, "is not the image that was recorded: it was changed since"))
    return read


def still(image: Shown) -> Image.Image:
    """Return an image, of an animation the frame in its middle.

    Raises:
        RecordError: as of :func:`frames`.
    """
    read = frames(image)
    return read[len(read) // 2]
