"""What folders and shards share: which files are images, and which captions are right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcdflow.spec.data import Example
from tcdflow.spec.formats import input_suffixes
from tcdflow.text import joined

SUFFIXES = frozenset(input_suffixes())
_LONGEST = 20_000


def problems(examples: Iterable[Example], where: str) -> Iterator[str]:
    """Yield what is wrong with captions.

    Args:
        examples: with images.
        where: a caption is to be written, ``{}`` for the image's name without suffix.
    """
    for one in examples:
        name = joined(one.name, 200)
        if not one.caption.strip():
            yield f"{name} has no caption: write one into {where.format(name.rpartition('.')[0])}"
        if len(one.caption) > _LONGEST:
            yield f"{name} has a caption of {len(one.caption):,} characters; {_LONGEST:,} are allowed"
