"""What images are held against: those of one condition, each paired with the image of its prompt and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcdflow.errors import ConfigError, Problem, RecordError
from tcdflow.evaluate.conditions import Places, apart, case_of, grouped, labels, of_runs, seed_of
from tcdflow.gallery.images import Shown
from tcdflow.record.data import is_directory
from tcdflow.results.conditions import Condition
from tcdflow.results.image import ImageResult
from tcdflow.results.results import Results
from tcdflow.spec.paths import at_home
from tcdflow.text import shortened

KEY = "--against"
_LISTS = ("loras", "adapters", "embeddings")
_NAMED = ("scheduler", "task")
_SHOWN = 12


@dataclass(frozen=True)
class Reference:
    """The images of one condition.

    Attributes:
        said: the words that chose it.
        places: its images, by case (prompt, and what else is averaged over) and seed.
        over: what else is averaged over.
    """

    said: Sequence[str]
    places: Places
    over: Sequence[str] = ()

    def of(self, image: Shown) -> Shown | None:
        """Return the image that another one is held against; None if there is none, or it is that image itself."""
        found = self._own(image)
        return None if found is None or found.output is None or _same(found, image) else found

    def holds(self, image: Shown) -> bool:
        """Say whether an image is of the reference itself."""
        own = self._own(image)
        return own is not None and _same(own, image)

    def _own(self, image: Shown) -> Shown | None:
        return self.places.get(case_of(image.run, self.over), {}).get(seed_of(image))


def _same(one: Shown, other: Shown) -> bool:
    """Say whether images are of one condition, computed and written in one way."""
    return one.run.key == other.run.key and not apart(one.run, other.run)


def read(words: Sequence[str], results: Results, over: Sequence[str] = ()) -> Reference:
    """Return the reference that is meant.

    Args:
        words: a directory of runs, if it is not the one that is measured; then conditions that one condition of them
            fulfils, as overrides are written: ``sampling.steps=50``, ``scheduler=ddim``, ``loras=[]``.
        results: of the directory that is measured.
        over: further keys that vary with the prompt.

    Raises:
        ConfigError: if none or several conditions fulfil them, with what there is.
    """
    conditions = list(words)
    if is_directory(at_home(words[0])):
        results, conditions = _of_directory(at_home(words[0])), conditions[1:]
    chosen = list(results)
    try:
        for word in conditions:
            chosen = _holding(chosen, word)
    except ConfigError as error:
        raise ConfigError([replace(one, key=KEY) for one in error.problems]) from None
    found, _ = grouped(of_runs(one.shown for one in chosen), over)
    said = " ".join(conditions)
    if not found:
        everything, _ = grouped(of_runs(one.shown for one in results), over)
        what = f"no condition with images fulfils it; there {_listed(labels(everything, over))}"
        raise ConfigError([Problem(KEY, what, said or words[0])])
    if len(found) > 1:
        what = f"must choose one condition, and {len(found)} fulfil it: add what tells one of them from the others"
        raise ConfigError([Problem(KEY, f"{what}; they {_listed(labels(found, over))}", said or words[0])])
    return Reference(tuple(words), found[0], tuple(over))


def _of_directory(directory: Path) -> Results:
    try:
        return Results.of([directory])
    except RecordError as error:
        raise ConfigError([Problem(KEY, str(error))]) from None


def _holding(images: Sequence[ImageResult], word: str) -> list[ImageResult]:
    """Return the images for which a condition holds, which may name a group as an override does.

    Raises:
        ConfigError: if it is none, or holds for no image.
    """
    condition = Condition.parse(word)
    if condition.key in _LISTS and condition.sign in ("=", "!="):
        wanted = {name.strip() for name in condition.text.strip("[]").split(",")} - {""}
        same = [one for one in images if (_entries(one, condition.key) == wanted) == (condition.sign == "=")]
        if not same:
            there = dict.fromkeys(
                f"{condition.key}=[{','.join(sorted(_entries(one, condition.key)))}]" for one in images
            )
            raise ConfigError([Problem(KEY, f"is not there; there {_listed(list(there))}", word)])
        return same
    if condition.key in _NAMED and not any(condition.key in image for image in images):
        condition = replace(condition, key=f"{condition.key}.name")
    return condition.holding(images)


def _entries(image: ImageResult, group: str) -> set[str]:
    """Return the names of a run's LoRAs, adapters or embeddings."""
    keys = (key.split(".") for key in image.shown.run.settings)
    return {parts[1] for parts in keys if parts[0] == group and len(parts) > 1}


def _listed(texts: Sequence[str]) -> str:
    if not texts:
        return "are none"
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"are {', '.join(f'({shortened(text, 80)})' for text in texts[:_SHOWN])}{more}"
