"""The images that a command has made: printed, a path a line, and remembered for whoever asks for the last ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_made: list[Path] = []


def tell(paths: Iterable[Path], *, shown: bool = True, at_once: bool = False) -> None:
    """Print paths on standard output, and remember them.

    Args:
        paths: of the images.
        shown: without, they are only remembered: progress is shown instead.
        at_once: let a reader have them before the command ends.
    """
    for path in paths:
        _made.append(path)
        if shown:
            print(path, flush=at_once)


def take() -> list[Path]:
    """Return those told since the last call."""
    taken = list(_made)
    _made.clear()
    return taken
