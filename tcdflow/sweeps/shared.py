"""Records of a long sweep in little memory: what neighbours have in common is kept once."""

from __future__ import annotations

from typing import Any

from tcdflow.record.document import Record

_PARTS = ("choices", "spec", "lock", "environment", "execution")


class Sharing:
    """Has each record that it is called with take over what the one before says too, to the bit."""

    def __init__(self) -> None:
        self._former: Record | None = None

    def __call__(self, record: Record | None) -> None:
        """Replace parts of a record in place by equal ones of the record of a cell before; what it says stays."""
        if record is None:
            return
        if self._former is not None:
            for name in _PARTS:
                setattr(record, name, shared(getattr(record, name), getattr(self._former, name)))
        self._former = record


def shared(value: Any, former: Any) -> Any:
    """Return a value, made of the other one's objects as far as the two are the same."""
    if type(value) is not type(former):
        return value
    if isinstance(value, dict):
        parts = {name: shared(part, former.get(name)) for name, part in value.items()}
        same = list(parts) == list(former) and all(part is former[name] for name, part in parts.items())
        return former if same else parts
    if isinstance(value, list):
        items = [shared(a, b) for a, b in zip(value, former, strict=False)] + value[len(former) :]
        return former if len(items) == len(former) and all(map(_is, items, former)) else items
    # 0.0 equals -0.0, which a record writes in another way.
    same = value == former and (type(value) is not float or repr(value) == repr(former))
    return former if same else value


def _is(a: object, b: object) -> bool:
    return a is b
