"""What a run made, before it becomes files."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Made:
    """One picture, or the frames of one animation, and the seed of its noise."""

    frames: tuple[Image.Image, ...]
    seed: int
    animated: bool = False
