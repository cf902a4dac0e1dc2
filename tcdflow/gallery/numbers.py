"""Numbers of runs that no metric of :mod:`tcdflow.parts.metrics` measures: what they are, and which way is better."""

from __future__ import annotations

from typing import Literal

Better = Literal["high", "low"] | None

EVALUATED = ("frechet_", "accuracy_")
"""How the names of those begin that ``tcdflow evaluate`` has measured."""

_ABOUT: dict[str, tuple[str, Better]] = {
    "frechet_": ("Fréchet distance of the run's condition from the reference, mean over its seed sets", "low"),
    "accuracy_": ("share of the run's images whose nearest image of the reference has their prompt", "high"),
    "distance": ("root mean square difference from the teacher's image, of channels from 0 to 1", "low"),
    "loss": ("of the training, mean of the latest 100 steps", None),
}


def described(name: str) -> tuple[str, Better]:
    """Return what a number is, and which direction is better."""
    return next((found for prefix, found in _ABOUT.items() if name.startswith(prefix)), ("", None))
