"""Values and keys as a person writes them, held against those of a gallery."""

from __future__ import annotations

from collections.abc import Sequence

from tcdflow.errors import ConfigError, Problem
from tcdflow.gallery.axes import Placed, label
from tcdflow.spec.nearest import nearest
from tcdflow.text import shortened

_SHOWN = 12
_TOGETHER = ", "


def axis_of(axes: Sequence[Placed], key: str, about: str) -> int:
    """Return the number of the axis that a key names, alone or with others that vary together with it.

    Args:
        axes: what varies.
        key: dotted, or all keys of the axis.
        about: the flag or argument, for the message.

    Raises:
        ConfigError: if there is none.
    """
    for number, axis in enumerate(axes):
        if key == name(axis) or key in axis.keys:
            return number
    raise ConfigError([unknown(about, key, [name(axis) for axis in axes], "is not an axis")])


def places(axis: Placed, key: str, text: str, about: str) -> set[int]:
    """Return the places of values on an axis.

    Args:
        axis: what varies.
        key: which of its keys is meant.
        text: a value, or several with commas between them.
        about: the flag or argument, for the message.

    Raises:
        ConfigError: if one of them is not there.
    """
    own = axis.keys.index(key) if key in axis.keys and len(axis.keys) > 1 else None
    texts = [header(values) if own is None else label(values[own]) for values in axis.values]
    found: set[int] = set()
    for one in wanted(text, texts):
        at = {place for place, known in enumerate(texts) if same(known, one)}
        if not at:
            raise ConfigError([unknown(about, f"{key}={one}", [f"{key}={known}" for known in texts], "is not there")])
        found |= at
    return found


def name(axis: Placed) -> str:
    """Return the keys of an axis."""
    return _TOGETHER.join(axis.keys)


def header(values: Sequence[object]) -> str:
    """Return one value of an axis as a person reads it."""
    return _TOGETHER.join(map(label, values))


def wanted(text: str, known: Sequence[str]) -> list[str]:
    """Return the values that a text names: itself where there is such a value, else those between its commas."""
    return [text] if any(same(one, text) for one in known) else [part.strip() for part in text.split(",")]


def same(known: str, written: str) -> bool:
    """Say whether two texts are one value: ``0.5`` and ``0.50`` are."""
    if known == written:
        return True
    try:
        return float(known) == float(written)
    except ValueError:
        return False


def unknown(about: str, word: str, known: Sequence[str], what: str) -> Problem:
    """Return what is wrong with a word that is not one of those that are known."""
    shown = ", ".join(shortened(one, 60) for one in known[:_SHOWN]) or "none"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    by_last = {one.rpartition(".")[2]: one for one in known}
    near = by_last.get(word) or nearest(word, known)
    return Problem(
        about, f"{what}; there are {shown}{more}" if known else f"{what}; nothing varies", word, nearest=near
    )
