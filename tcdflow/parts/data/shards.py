"""Images in tar files with their captions: the shards of webdataset.

They are read by Python's own tarfile, where they lie. webdataset itself would run what an address such as ``pipe:``
says and unpickle members; nothing here does, and of the members only images and captions are looked at.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files import tar
from tcdflow.parts.data._captions import SUFFIXES, problems
from tcdflow.spec.data import DATA, Data, Example, Member
from tcdflow.spec.paths import at_home
from tcdflow.spec.types import SourceText
from tcdflow.text import joined

if TYPE_CHECKING:
    from tcdflow.spec.distill import DistillSpec

_CAPTIONS = (".txt", ".caption", ".json")
_LARGEST_IMAGE, _LARGEST_CAPTION = 256_000_000, 1_000_000
_MOST_SHOWN = 10


@DATA.register("shards")
class ShardsData(Data):
    """Images with captions in uncompressed tar files, as webdataset has them: 0001.jpg, then 0001.txt or 0001.json."""

    kind: Literal["shards"]
    shards: SourceText = Field(
        description="a .tar file, a folder of them, or a pattern such as images/*.tar; in each, an image and a .txt, "
        ".caption or .json (caption or text) of the same name"
    )

    def examples(self, spec: DistillSpec) -> Sequence[Example]:
        """Return the images with their captions, in the order of the shards' names and within them."""
        found: list[Example] = []
        for path in self._paths():
            try:
                found += _samples(path)
            except SourceError as error:
                raise ConfigError([Problem("data.shards", f"{path.name}: {error}", self.shards)]) from None
        if not found:
            what = f"holds no image; images are {', '.join(sorted(SUFFIXES))}"
            raise ConfigError([Problem("data.shards", what, self.shards)])
        if wrong := list(islice(problems(found, "{}.txt, beside it"), _MOST_SHOWN)):
            raise ConfigError([Problem("data.shards", what, self.shards) for what in wrong])
        return found

    def _paths(self) -> list[Path]:
        place = at_home(self.shards)
        if place.is_dir():
            found = sorted(place.glob("*.tar"))
        elif place.is_file():
            found = [place]
        else:
            found = sorted(map(Path, glob.glob(str(place))))  # noqa: PTH207  pathlib's takes no absolute pattern
        if not found:
            raise ConfigError([Problem("data.shards", "no .tar file found", self.shards)])
        return found


def _samples(path: Path) -> Iterator[Example]:
    """Yield the images of a shard with their captions.

    Raises:
        SourceError: if it is damaged, or a member too large.
    """
    images: dict[str, Member] = {}
    captions: dict[str, str] = {}
    for member in tar.members(path):
        key, suffix = _split(member.name)
        if suffix in SUFFIXES:
            _bounded(member, _LARGEST_IMAGE)
            if key in images:
                raise SourceError(f"{joined(key, 100)} has two images")
            images[key] = member
        elif suffix in _CAPTIONS:
            _bounded(member, _LARGEST_CAPTION)
            # A .json beside a .txt has what else is known of the image.
            if suffix != ".json" or key not in captions:
                caption = _caption(path, member, suffix)
                captions[key] = caption if caption is not None else captions.get(key, "")
    for key, member in images.items():
        yield Example(captions.get(key, ""), path, member=member)


def _split(name: str) -> tuple[str, str]:
    """Return what a member's sample is called, and its suffix: all from the first dot of the last part on."""
    folder, slash, leaf = name.rpartition("/")
    stem, _, suffix = leaf.partition(".")
    return f"{folder}{slash}{stem}", f".{suffix.lower()}"


def _caption(path: Path, member: Member, suffix: str) -> str | None:
    name = joined(member.name, 100)
    try:
        text = tar.read(path, member).decode("utf-8")
        if suffix != ".json":
            return text.strip()
        plain = json.loads(text)
    except (ValueError, RecursionError):
        raise SourceError(f"{name} is not UTF-8 text, or no JSON") from None
    found = [plain[key] for key in ("caption", "text") if isinstance(plain, dict) and isinstance(plain.get(key), str)]
    return found[0].strip() if found else None


def _bounded(member: Member, most: int) -> None:
    if member.size > most:
        raise SourceError(f"{joined(member.name, 100)} has {member.size:,} bytes; {most:,} are allowed")
