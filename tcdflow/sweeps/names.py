"""Names of sweeps and cells: they sort, say what varies, and hold no special characters of shells or file systems."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tcdflow.text import slug

_MOST_OF_KEYS = 60
_MOST_OF_VALUES = 100
_NOT_COUNTED = ("hydra.", "hydra/", "tracker=", "tracker.")


def sweep_name(keys: Sequence[str], overrides: Sequence[str], contents: Iterable[str] = ()) -> str:
    """Name a sweep after its axes, the same for the same overrides; where it is written and tracked does not count.

    Args:
        keys: what varies.
        overrides: as the user wrote them.
        contents: what files add to them, such as prompts: where it changes, so does the name.
    """
    counted = sorted(text for text in overrides if not text.lstrip("+").startswith(_NOT_COUNTED))
    counted += contents
    digest = hashlib.sha256("\0".join(counted).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    name = slug("-".join(key.rpartition(".")[2] for key in keys).encode("ascii", "ignore").decode(), _MOST_OF_KEYS)
    return f"{name or 'sweep'}_{digest}"


def cell_names(overrides: Sequence[Sequence[str]]) -> list[str]:
    """Name cells by a number that sorts and keeps them apart, and the values that they set."""
    width = max(3, len(str(len(overrides) - 1)))
    names = []
    for number, texts in enumerate(overrides):
        pairs = [text.partition("=") for text in texts if text]
        name = slug("_".join(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs), _MOST_OF_VALUES)
        names.append(f"{number:0{width}d}" + (f"_{name}" if name else ""))
    return names
