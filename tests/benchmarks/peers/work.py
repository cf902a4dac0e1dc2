"""The work that all do: TCD in 4 steps on the embedded model, one PNG an image; and whether they did it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PROMPTS = ("a red heart", "a blue star", "a green leaf", "a yellow sun")
ETAS = (0.0, 0.3, 0.6, 1.0)
CELLS = 64
A_SEED = len(PROMPTS) * len(ETAS)
"""Cells of each seed."""
FIRST = "image.png"
"""What the plain script calls its image."""
OTHERS = ("a fox", "a panda", "a moon", "a tree", "a boat", "an owl")
"""Prompts of second commands: each is new, so that nobody has it encoded or its image kept."""


def difference(image: Path, reference: Path) -> str:
    """Say how far an image is from the plain script's."""
    gap = np.abs(_pixels(image) - _pixels(reference))
    return f"off by {gap.max()} of 255 at most" if gap.any() else "identical"


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.int16)
