"""The image of an example as a file, wherever it lies, and what it is told apart by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files import tar
from tcdflow.files.hashes import sha256_file
from tcdflow.files.scratch import scratch
from tcdflow.spec.data import Example


@contextmanager
def image_file(one: Example) -> Iterator[Path]:
    """Give the image of an example as a file for a while.

    Raises:
        SourceError: if it cannot be read; what is raised meanwhile names the example.
    """
    assert one.image is not None, "the teacher's examples have none"
    if one.member is None:
        yield one.image
        return
    with scratch() as folder:
        file = folder / f"image{Path(one.member.name).suffix[:8]}"
        try:
            file.write_bytes(tar.read(one.image, one.member))
            yield file
        except SourceError as error:
            raise SourceError(str(error).replace(str(file), f"{one.image.name}: {one.name}")) from None


def source(one: Example) -> int | str:
    """Return what an example is encoded from: its seed, the hash of its file, or its place in a shard of a hash."""
    if one.image is None:
        return one.seed
    digest = sha256_file(one.image)
    return digest if one.member is None else f"{digest} {one.member.start} {one.member.size}"
