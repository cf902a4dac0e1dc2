"""What sets are held against: the images of runs, or of a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcdflow.errors import ConfigError, Problem, RecordError, SourceError
from tcdflow.evaluate.features import ImageSource, of_file, of_shown
from tcdflow.parts.data.folder import captioned
from tcdflow.record import document
from tcdflow.record.data import is_directory
from tcdflow.results.results import Results
from tcdflow.spec.paths import at_home
from tcdflow.sweeps import plan as plans

KEY = "--reference"
_RUNS = (document.FILE_NAME, plans.FILE_NAME)
_DEEP = 3
"""Folders in which runs are looked for, before a folder is taken for one of images."""


@dataclass(frozen=True)
class Reference:
    """Images that are right.

    Attributes:
        said: where they are from, and by which conditions they were chosen.
        images: of them.
        captions: of each image: its prompt, or what stands beside it; "" where nothing does.
    """

    said: Sequence[str]
    images: Sequence[ImageSource]
    captions: Sequence[str]


def read(words: Sequence[str]) -> Reference:
    """Return the reference that is meant.

    Args:
        words: a directory of runs or sweeps, or a folder of images; then conditions that choose among runs, such as
            ``scheduler.name=ddim``.

    Raises:
        ConfigError: if it is not there, holds no image, or is no reference.
    """
    folder, conditions = at_home(words[0]), words[1:]
    if not is_directory(folder):
        raise ConfigError([Problem(KEY, "is not a directory: of runs, or of images", words[0])])
    if _holds_runs(folder):
        found = _of_runs(folder, conditions)
    elif conditions:
        what = "chooses among runs, and there are none: no run.json, no plan.json"
        raise ConfigError([Problem(KEY, what, conditions[0])])
    else:
        found = _of_folder(folder, words[0])
    if len(found.images) < 2:
        raise ConfigError([Problem(KEY, "holds fewer than two images", words[0])])
    return replace(found, said=tuple(words))


def caption(text: str) -> str:
    """Return a caption as it is compared: spaces and capitals do not count."""
    return " ".join(text.casefold().split())


def _holds_runs(folder: Path) -> bool:
    patterns = ("*/" * depth + name for depth in range(_DEEP + 1) for name in _RUNS)
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def _of_runs(folder: Path, conditions: Sequence[str]) -> Reference:
    try:
        images = [image for image in Results.of([folder]).filter(*conditions) if image.shown.output is not None]
    except ConfigError as error:
        raise ConfigError([replace(one, key=KEY) for one in error.problems]) from None
    except RecordError as error:
        raise ConfigError([Problem(KEY, str(error))]) from None
    prompts = [str(json.loads(image.shown.run.settings.get("prompt", '""'))) for image in images]
    return Reference((), [of_shown(image.shown) for image in images], prompts)


def _of_folder(folder: Path, said: str) -> Reference:
    try:
        found = captioned(folder)
        return Reference(
            (), [of_file(one.image) for one in found if one.image is not None], [one.caption for one in found]
        )
    except SourceError as error:
        raise ConfigError([Problem(KEY, str(error), said)]) from None
    except OSError as error:
        raise ConfigError([Problem(KEY, f"an image cannot be read: {error.strerror}", said)]) from None
