"""Conditions on images, written as overrides are: ``sampling.eta=0,0.5``, ``sharpness>=100``, ``status!=done``."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcdflow.errors import ConfigError, Problem
from tcdflow.gallery.axes import label
from tcdflow.gallery.values import same, unknown, wanted

if TYPE_CHECKING:
    from tcdflow.results.image import ImageResult

ABOUT = "filter"
"""What mistakes are about."""
_FORM = re.compile(r"\s*([\w./-]+)\s*(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FACTS = ("status", "reason", "seed", "seconds", "key")
"""What images have beside settings and metrics."""


@dataclass(frozen=True)
class Condition:
    """A condition: a key, how it is compared, and the text that it is compared to."""

    key: str
    sign: str
    text: str

    @classmethod
    def parse(cls, words: str) -> Condition:
        """Read a condition.

        Raises:
            ConfigError: if it is none.
        """
        found = _FORM.fullmatch(words)
        if found is None:
            what = "write KEY=VALUE, with = != < <= > or >=, such as sampling.eta=0,0.5 or sharpness>=100"
            raise ConfigError([Problem(ABOUT, what, words)])
        condition = cls(found[1], found[2], found[3].strip())
        if condition.sign in _ORDER:
            condition._number()
        return condition

    def holding(self, images: Sequence[ImageResult]) -> list[ImageResult]:
        """Return those of the images for which it holds.

        Raises:
            ConfigError: if none of them has the key, or a value that has to be equal.
        """
        check_key(images, self.key)
        if self.sign in _ORDER:
            return [image for image in images if self._ordered(value_of(image, self.key))]
        texts = [written(value_of(image, self.key)) for image in images]
        values = wanted(self.text, texts)
        if self.sign == "=" and self.key not in _FACTS:
            self._check(values, texts)
        equal = (any(same(text, value) for value in values) for text in texts)
        return [image for image, holds in zip(images, equal, strict=True) if holds == (self.sign == "=")]

    def _check(self, values: Iterable[str], texts: Sequence[str]) -> None:
        for value in values:
            if texts and not any(same(text, value) for text in texts):
                known = [f"{self.key}={text}" for text in dict.fromkeys(texts)]
                raise ConfigError([unknown(ABOUT, f"{self.key}={value}", known, "is not there")])

    def _ordered(self, value: Any) -> bool:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return numeric and _ORDER[self.sign](value, self._number())

    def _number(self) -> float:
        try:
            return float(self.text)
        except ValueError:
            what = f"{self.sign} compares numbers"
            raise ConfigError([Problem(ABOUT, what, f"{self.key}{self.sign}{self.text}")]) from None


def check_key(images: Sequence[ImageResult], key: str, about: str = ABOUT) -> None:
    """Say so if no image has a key.

    Args:
        images: any.
        key: a setting, a metric or a fact.
        about: what was asked for it.

    Raises:
        ConfigError: if it is neither a setting nor a metric of one of them.
    """
    if not images or key in _FACTS or any(key in image for image in images):
        return
    varying = dict.fromkeys(name for image in images for name in (*image.varying, *image.metrics))
    near = unknown(about, key, list(dict.fromkeys(name for image in images for name in image)), "").nearest
    what = f"is no setting and no metric; what varies is {', '.join(varying) or 'nothing'}"
    raise ConfigError([Problem(about, what, key, nearest=near)])


def value_of(image: ImageResult, key: str) -> Any:
    """Return a setting, a metric or a fact of an image; None if it has none."""
    return image[key] if key in image else getattr(image, key) if key in _FACTS else None


def written(value: Any) -> str:
    """Return a value as a person writes it."""
    if isinstance(value, list | dict) and not all(isinstance(one, str) for one in value):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else label(value)
