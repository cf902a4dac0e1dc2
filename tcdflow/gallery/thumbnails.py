"""Thumbnails: small WebP files, named by the hash of the image that they show, each made once.

Making one is what checks an image: that its bytes, or at least its pixels, are those of its record, and that it can be
decoded. An image that is newer than its thumbnail is checked again.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import stat
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tcdflow.errors import OutputError
from tcdflow.gallery.images import Shown
from tcdflow.libraries.python import free_logging
from tcdflow.record.atomic import remove_abandoned, write_bytes
from tcdflow.record.cleanup import remove_link
from tcdflow.record.data import opened
from tcdflow.record.document import Output
from tcdflow.record.pixels import frames_sha256
from tcdflow.spec.formats import START, all_formats, format_of
from tcdflow.text import reason

FOLDER = ".thumbs"
SIDE = 192
"""Pixels of the longer side; a smaller image is not enlarged."""

MAX_BYTES = 1_000_000_000
_THREADS = 4
_QUALITY = 82
_EFFORT = 2
"""Of WebP's 0 to 6: 6 makes files a twentieth smaller, and takes four times as long."""

_GAP = 1.3
"""How much larger than a thumbnail an image stays that is first reduced by a whole factor, which is quick."""

_NAME = re.compile(r"[0-9a-f]{40}\.webp")


@dataclass(frozen=True)
class Look:
    """What became of an image: the name of its thumbnail, if it has one, or why it is not shown."""

    thumbnail: str | None
    reason: str | None = None


class Thumbnails:
    """The thumbnails of a page.

    Args:
        folder: where they are, beside the page.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ready = False

    def look(self, images: Iterable[Shown], seconds: float | None = None) -> dict[str, Look]:
        """Return what became of each image, by its path, making the thumbnails that are not there.

        Args:
            images: with an output.
            seconds: after which no more are made; images that have none yet are shown themselves. None makes all.

        Raises:
            OutputError: if they cannot be written.
        """
        end = math.inf if seconds is None else time.monotonic() + seconds
        self._begin()
        looks: dict[str, Look] = {}
        work: list[tuple[str, Output]] = []
        for image in images:
            path, output = image.path, image.output
            assert output is not None
            found = self._known(path, output)
            if found is None:
                work.append((path, output))
            else:
                looks[path] = found
        return looks | self._all(work, end)

    def _begin(self) -> None:
        """Make the folder, and list what it holds."""
        if self._ready:
            return
        try:
            remove_link(self._folder)
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(self._folder)
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        self._there[entry.name] = entry.stat(follow_symlinks=False).st_mtime_ns
        except OSError as error:
            raise OutputError.of(self._folder, error) from error
        self._ready = True

    def _known(self, path: str, output: Output) -> Look | None:
        """Return what is known of an image without reading it."""
        try:
            status = os.lstat(path)
        except (OSError, ValueError) as error:
            return Look(None, f"{output.file} is not there: {getattr(error, 'strerror', error)}")
        if stat.S_ISLNK(status.st_mode):
            return Look(None, f"{output.file} is a link, which may lead anywhere")
        name = _name(output.sha256)
        made = self._there.get(name)
        return Look(name) if made is not None and made >= status.st_mtime_ns else None

    def _all(self, work: Sequence[tuple[str, Output]], end: float) -> dict[str, Look]:
        """Make thumbnails until the clock says ``end``; the rest of the images have none."""
        if not work or time.monotonic() >= end:
            return {path: Look(None) for path, _ in work}
        all_formats()  # registries load their parts in one thread
        free_logging()  # a sweep that was interrupted ends with this
        pool = ThreadPoolExecutor(min(_THREADS, _processors()), thread_name_prefix="thumbnail")
        try:
            looks = list(pool.map(lambda one: self._made(*one) if time.monotonic() < end else Look(None), work))
        finally:
            pool.shutdown(cancel_futures=True)  # on an interrupt, say
        return {path: look for (path, _), look in zip(work, looks, strict=True)}

    def _made(self, path: str, output: Output) -> Look:
        """Make a thumbnail, unless another thread has made one of the same content."""
        try:
            with opened(Path(path)) as file:
                if os.fstat(file.fileno()).st_size > MAX_BYTES:
                    raise ValueError("is larger than any image")
                data = file.read()
            digest = hashlib.sha256(data).hexdigest()
            name = _name(digest)
            format = format_of(data[:START])
            frames = format.frames(io.BytesIO(data))
            if digest != output.sha256 and frames_sha256(format.frames(io.BytesIO(data))) != output.pixel_sha256:
                return Look(None, f"{output.file} is not the image that was recorded: it was changed since")
            small = _encoded(next(frames))
        except StopIteration:
            return Look(None, f"{output.file} has no frame")
        except Exception as error:  # untrusted bytes: decoders raise SyntaxError, struct.error, KeyError, …
            return Look(None, f"{output.file} cannot be shown: {reason(error)}")
        write_bytes(self._folder / name, small, durable=False)
        with self._lock:
            self._there[name] = time.time_ns()
        return Look(name)


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _name(sha256: str) -> str:
    """Return the name of the thumbnail of a file with a hash, as far as an untrusted record tells it."""
    return f"{sha256[:40]}.webp"


def _encoded(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=_GAP)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=_QUALITY, method=_EFFORT)
    return buffer.getvalue()
