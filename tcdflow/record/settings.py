"""The settings of a run as dotted keys and JSON texts: what is compared, shown and written as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_LISTS = ("loras", "adapters", "embeddings")
HEAD = "".join(["# @package _global_\ndefaults:\n", *(f"  - override /{group}: []\n" for group in _LISTS)])
"""The first lines of an experiment that sets all that a run has: what merges entry by entry begins empty."""

MOST = 2_000
"""Settings that a record may have: no run has a tenth of them."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")


class Settings(Mapping[str, str]):
    """Texts by dotted keys. Those of one sweep share their keys, which makes thousands of them small."""

    __slots__ = ("_places", "_texts")

    def __init__(self, found: Mapping[str, str]) -> None:
        self._places = _places(tuple(found))
        self._texts = tuple(found.values())

    def __getitem__(self, key: str) -> str:
        return self._texts[self._places[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def differing(self, other: Settings) -> Iterator[str]:
        """Yield the keys that do not have the same text in both."""
        if self._places is other._places:
            if self._texts != other._texts:
                pairs = zip(self._places, self._texts, other._texts, strict=True)
                yield from (key for key, mine, theirs in pairs if mine != theirs)
        else:
            both = dict.fromkeys((*self, *other))
            yield from (key for key in both if self.get(key) != other.get(key))


@lru_cache(maxsize=256)
def _places(keys: tuple[str, ...]) -> dict[str, int]:
    return {key: place for place, key in enumerate(keys)}


def settings(spec: Mapping[str, Any]) -> Settings:
    """Return the settings of a plain spec: JSON texts that are YAML too, by dotted keys; descriptions are left out.

    Raises:
        ValueError: if there are more than any run has.
    """
    found: dict[str, str] = {}
    _flatten(spec, "", found)
    if len(found) > MOST:
        raise ValueError(f"its spec has more than {MOST} settings; no run has")
    return Settings(found)


def _flatten(node: Mapping[str, Any], prefix: str, found: dict[str, str]) -> None:
    for name, value in node.items():
        if isinstance(value, dict):
            if value and _are_names(tuple(value)):
                _flatten(value, f"{prefix}{name}.", found)
                continue
            found[prefix + name] = json_text(value)
        elif isinstance(value, list):
            found[prefix + name] = json_text(value)
        elif name != "description":
            found[prefix + name] = _text(value)


@lru_cache(maxsize=1024)
def _are_names(keys: tuple[str, ...]) -> bool:
    return all(map(_NAME.fullmatch, keys))


@lru_cache(maxsize=65_536, typed=True)  # the same few values thousands of times
def _text(value: Any) -> str:
    return json_text(value)


def json_text(value: Any) -> str:
    """Return a value as JSON that is YAML too."""
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def sound(text: str) -> str:
    """Return text that can be written as UTF-8: halves of characters, as of names that are no text, are replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
