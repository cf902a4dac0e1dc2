"""The images that a command has made: printed, a path a line, and remembered for whoever asks for the last ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_made: list[Path] = []


def tell(paths: Iterable[Path], *, shown: bool = True) -> None:
    """Print paths on standard output, unless progress is shown instead, and remember them."""
    for path in paths:
        _made.append(path)
        if shown:
            print(path, flush=True)


def take() -> list[Path]:
    """Return those told since the last call."""
    taken = list(_made)
    _made.clear()
    return taken
