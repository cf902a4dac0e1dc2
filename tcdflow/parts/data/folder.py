"""Images of a folder with their captions, as datasets of diffusers and kohya's tools have them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.image_header import check_image
from tcdflow.parts.data._captions import SUFFIXES, problems
from tcdflow.prompts.rows import MAX_BYTES, text_of
from tcdflow.spec.data import DATA, Data, Example
from tcdflow.spec.paths import at_home
from tcdflow.spec.types import SourceText
from tcdflow.text import joined

if TYPE_CHECKING:
    from tcdflow.spec.distill import DistillSpec

_METADATA = "metadata.jsonl"
_MOST_SHOWN = 10


@DATA.register("folder")
class FolderData(Data):
    """Images with captions: in metadata.jsonl (file_name, text), or each in a .txt file beside its image."""

    kind: Literal["folder"]
    folder: SourceText = Field(description="folder of the images, with metadata.jsonl or a .txt file for each")

    def examples(self, spec: DistillSpec) -> Sequence[Example]:
        """Return the images with their captions, by name; each file's header is checked."""
        root = at_home(self.folder)
        if not root.is_dir():
            raise ConfigError([Problem("data.folder", "folder not found", self.folder)])
        try:
            found = captioned(root)
        except SourceError as error:
            raise ConfigError([Problem("data.folder", str(error), self.folder)]) from None
        if not found:
            what = f"holds no image; images are {', '.join(sorted(SUFFIXES))}"
            raise ConfigError([Problem("data.folder", what, self.folder)])
        if wrong := list(islice(_wrong(found), _MOST_SHOWN)):
            raise ConfigError([Problem("data.folder", what, self.folder) for what in wrong])
        return found


def captioned(root: Path) -> list[Example]:
    """Return the images of a folder with their captions, by name; one without has an empty caption.

    Raises:
        SourceError: if metadata.jsonl is damaged, or a caption cannot be read.
    """
    return list(_listed(root) if (root / _METADATA).is_file() else _beside(root))


def _listed(root: Path) -> Iterator[Example]:
    """Yield what metadata.jsonl lists: an object a line, with ``file_name`` and ``text``."""
    for number, line in enumerate(text_of(root / _METADATA, MAX_BYTES).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{_METADATA}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{where}: is not JSON: {joined(str(error), 100)}") from None
        name, text = (row.get("file_name"), row.get("text")) if isinstance(row, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(text, str):
            what = 'must be an object such as {"file_name": "001.png", "text": "a red fox"}'
            raise SourceError(f"{where}: {what}")
        path = Path(name)
        if not name or path.is_absolute() or ".." in path.parts:
            raise SourceError(f"{where}: file_name must be a path within the folder, not {joined(name, 100)!r}")
        yield Example(text, root / path)


def _beside(root: Path) -> Iterator[Example]:
    """Yield the images of a folder, each with the text beside it; an image without one has no caption."""
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            caption = path.with_suffix(".txt")
            yield Example(text_of(caption, MAX_BYTES).strip() if caption.is_file() else "", path)


def _wrong(examples: Sequence[Example]) -> Iterator[str]:
    """Yield what is wrong with images and captions."""
    for one in examples:
        assert one.image is not None, "each has a file"
        yield from problems([one], f"{{}}.txt, or into {_METADATA}")
        try:
            check_image(one.image)
        except SourceError as error:
            yield str(error)
