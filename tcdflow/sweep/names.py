"""Names of sweeps and cells: they sort, say what varies, and hold no special characters of shells or file systems."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_MOST_OF_KEYS = 60
_MOST_OF_VALUES = 100


def sweep_name(keys: Sequence[str], overrides: Sequence[str]) -> str:
    """Name a sweep after its axes, the same for the same overrides; where it is written to does not count."""
    counted = sorted(text for text in overrides if not text.lstrip("+").startswith(("hydra.", "hydra/")))
    digest = hashlib.sha256("\0".join(counted).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    slug = _slug("-".join(key.rpartition(".")[2] for key in keys))[:_MOST_OF_KEYS].strip("-._=+")
    return f"{slug or 'sweep'}_{digest}"


def cell_names(overrides: Sequence[Sequence[str]]) -> list[str]:
    """Name cells by a number that sorts and the values that they set."""
    width = max(3, len(str(len(overrides) - 1)))
    names = []
    for number, texts in enumerate(overrides):
        pairs = [text.partition("=") for text in texts if text]
        slug = _slug("_".join(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs))
        slug = slug[:_MOST_OF_VALUES].strip("-._=+")
        names.append(f"{number:0{width}d}" + (f"_{slug}" if slug else ""))
    return names


def _slug(text: str) -> str:
    return re.sub(r"-*([_=])-*", r"\1", re.sub(r"[^A-Za-z0-9.=+_-]+", "-", text)).strip("-")
