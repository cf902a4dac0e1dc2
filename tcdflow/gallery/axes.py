"""What varies between runs that no plan holds together, and the seeds of images as one axis more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tcdflow.gallery.data import Axis, Value
from tcdflow.gallery.runs import Run
from tcdflow.record.settings import sound

SEED = "sampling.seed"
NUMBER = "image"
"""The axis of a run's images where their seeds are in another axis already."""

_NAMED = ("loras", "adapters", "embeddings")
_TOGETHER = ("base", "task", "scheduler", *_NAMED)
"""Parts whose settings come from one preset: what the most telling of them decides is no axis of its own."""
_TELLING = ("source", "name", "kind", "weight")
_SIDES = ("sampling.width", "sampling.height")
_BESIDE = ("sampling.num_images", SEED)


@dataclass(frozen=True)
class Placed:
    """An axis.

    Attributes:
        keys: that vary together, one or more.
        values: plain values of these keys at each position.
    """

    keys: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]

    def shown(self) -> Axis:
        """Return it as the page reads it."""
        numbers = [_number(value) if len(value) == 1 else None for value in self.values]
        numeric = bool(numbers) and all(number is not None for number in numbers)
        values = [
            Value(text=", ".join(map(label, value)), number=number if numeric else None)
            for value, number in zip(self.values, numbers, strict=True)
        ]
        return Axis(key=", ".join(self.keys), numeric=numeric, values=values)


def label(value: Any) -> str:
    """Return a plain value as a person reads it."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return sound(" + ".join(value)) or "none"
    if isinstance(value, float):
        return f"{value:.15g}"
    return "–" if value is None else json.dumps(value, ensure_ascii=True)  # noqa: RUF001  a dash, as in tables


def derived(runs: Sequence[Run]) -> tuple[list[Placed], list[tuple[int, ...]]]:
    """Return what varies between runs by their settings, and the place of each run on each of these axes.

    A setting that others of its preset decide, such as the size of a base, is no axis of its own.
    """
    texts: dict[str, dict[str, None]] = {}
    for settings in (_as_made(run) for run in runs):
        for key, text in settings.items():
            texts.setdefault(key, {})[text] = None
    # Earlier versions lack some keys, and a record that cannot be read all of them: that is no difference.
    keys = [
        key for key, found in texts.items() if len(found) > 1 and key not in _BESIDE and not key.startswith("output.")
    ]
    columns = {key: [_as_made(run).get(key, "null") for run in runs] for key in keys}
    found: list[Placed] = []
    places: list[list[int]] = []
    for key in telling(columns):
        distinct = dict.fromkeys(columns[key])
        values = {text: json.loads(text) for text in distinct}
        numbers = {text: _number((value,)) for text, value in values.items()}
        order = sorted(distinct, key=lambda text: numbers[text] or 0.0) if None not in numbers.values() else [*distinct]
        at = {text: place for place, text in enumerate(order)}
        found.append(Placed((key,), [(values[text],) for text in order]))
        places.append([at[text] for text in columns[key]])
    return found, list(zip(*places, strict=True)) if places else [()] * len(runs)


def _as_made(run: Run) -> Mapping[str, str]:
    """Return the settings of a run, with the size that it has where its settings leave that to the base."""
    unsaid = {key: run.settings.get("base.size", "null") for key in _SIDES if run.settings.get(key, "null") == "null"}
    return {**run.settings, **unsaid} if run.settings else run.settings


def telling(columns: dict[str, list[str]]) -> list[str]:
    """Return the keys that are axes of their own, in the order in which they came.

    Args:
        columns: texts of each key that varies, one a run.
    """
    chosen: dict[str, list[str]] = {}
    for key in sorted(columns, key=lambda key: (_rank(key), -len(set(columns[key])))):
        part = _part(key)
        others = chosen.setdefault(part, [])
        if not others or not part or _adds(columns[key], [columns[other] for other in others]):
            others.append(key)
    kept = {key for keys in chosen.values() for key in keys}
    return [key for key in columns if key in kept]


def _part(key: str) -> str:
    """Return the preset that a key belongs to; empty for one that is chosen by itself."""
    part, _, rest = key.partition(".")
    if part not in _TOGETHER:
        return ""
    return f"{part}.{rest.partition('.')[0]}" if part in _NAMED else part


def _rank(key: str) -> int:
    last = key.rpartition(".")[2]
    return _TELLING.index(last) if last in _TELLING else len(_TELLING)


def _adds(column: list[str], others: list[list[str]]) -> bool:
    """Say whether a column tells runs apart that the others do not."""
    together = list(zip(*others, strict=True))
    return len(set(zip(column, together, strict=True))) > len(set(together))


def _number(value: tuple[Any, ...]) -> float | None:
    (one,) = value
    return float(one) if isinstance(one, int | float) and not isinstance(one, bool) else None


def with_images(
    axes: Sequence[Placed], places: Sequence[tuple[int, ...]], seeds: Sequence[int | None], numbers: Sequence[int]
) -> tuple[list[Placed], list[tuple[int, ...]]]:
    """Return the axes of images, given those of their runs: their seeds are an axis like any other.

    Args:
        axes: of the runs.
        places: of each image's run.
        seeds: of each image; None if it is not known.
        numbers: of each image in its run.
    """
    own = next((number for number, axis in enumerate(axes) if SEED in axis.keys), None)
    if own is not None and len(axes[own].keys) > 1:
        return _added(axes, places, (NUMBER,), numbers)
    if own is None:
        return _added(axes, places, (SEED,), seeds)
    axis, at = _positions((SEED,), seeds)
    replaced = [*axes[:own], axis, *axes[own + 1 :]]
    return replaced, [(*place[:own], here, *place[own + 1 :]) for place, here in zip(places, at, strict=True)]


def _added(
    axes: Sequence[Placed], places: Sequence[tuple[int, ...]], key: tuple[str], values: Sequence[int | None]
) -> tuple[list[Placed], list[tuple[int, ...]]]:
    axis, at = _positions(key, values)
    if len(axis.values) < 2:
        return list(axes), list(places)
    return [*axes, axis], [(*place, here) for place, here in zip(places, at, strict=True)]


def _positions(key: tuple[str], values: Sequence[int | None]) -> tuple[Placed, list[int]]:
    order = sorted(set(values), key=lambda value: (value is None, value or 0))
    at = {value: place for place, value in enumerate(order)}
    return Placed(key, [(value,) for value in order]), [at[value] for value in values]
