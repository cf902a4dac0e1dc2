"""The axes of a plan, and where each of its cells stands on them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tcdflow.gallery.axes import Placed
from tcdflow.sweeps.plan import Cell, Plan, PlannedAxis


def placed(plan: Plan) -> tuple[list[Placed], list[tuple[int, ...]]]:
    """Return the axes of a plan, with the values that its cells have, and the place of each cell on each of them.

    A cell says what was set by values where these can be set on a config, else by the text of an override; one whose
    text is not that of any value of the axis, as in a plan that tcdflow did not make, is a position of its own.
    """
    axes: list[Placed] = []
    columns: list[list[int]] = []
    start = 0
    for axis in plan.axes:
        end = start + len(axis.keys)
        positions = _Positions(axis)
        column = [positions.of(cell, cell.overrides[start:end]) for cell in plan.cells]
        order = sorted(set(column))
        at = {position: place for place, position in enumerate(order)}
        axes.append(Placed(axis.keys, [positions.values[position] for position in order]))
        columns.append([at[position] for position in column])
        start = end
    return axes, list(zip(*columns, strict=True)) if columns else [()] * len(plan.cells)


class _Positions:
    """The positions along an axis, by what cells say of them."""

    def __init__(self, axis: PlannedAxis) -> None:
        self.values: list[tuple[Any, ...]] = list(axis.values)
        self._keys = axis.keys
        self._known: dict[str, int] = {}
        for number, values in enumerate(self.values):
            self._known.setdefault(_canonical(map(_written, values)), number)
        self._seen: dict[tuple[str, ...], int] = {}

    def of(self, cell: Cell, texts: tuple[str, ...]) -> int:
        """Return the position of a cell."""
        if texts not in self._seen:
            values = [self._value(cell, key, text) for key, text in zip(self._keys, texts, strict=True)]
            name = _canonical(map(_written, values))
            if name not in self._known:
                self._known[name] = len(self.values)
                self.values.append(tuple(values))
            self._seen[texts] = self._known[name]
        return self._seen[texts]

    def _value(self, cell: Cell, key: str, text: str) -> Any:
        return cell.values[key] if key in cell.values else _unquoted(text.partition("=")[2]) if text else None


def _canonical(values: Iterable[str]) -> str:
    return json.dumps(list(values))


def _written(value: Any) -> str:
    """Return a value as an override has it, without quotes."""
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value)


def _unquoted(text: str) -> str:
    quote = text[:1]
    if quote in ("'", '"') and len(text) > 1 and text.endswith(quote):
        return text[1:-1].replace(f"\\{quote}", quote)
    return text
