"""What "the same image" means here: every channel of every pixel, and something to be seen on it."""

from __future__ import annotations

import numpy as np
from PIL import Image

_FLAT = 5.0
"""Standard deviation of 8-bit values below which two images may be equal for having nothing on them."""


def assert_same(made: Image.Image, by_hand: Image.Image) -> None:
    assert made.mode == by_hand.mode == "RGB"
    assert made.size == by_hand.size
    ours, theirs = np.asarray(made), np.asarray(by_hand)
    assert theirs.std() > _FLAT, "there is nothing to be seen on the image made by hand"
    differ = (ours != theirs).any(axis=2)
    gap = np.abs(ours.astype(int) - theirs.astype(int)).max()
    assert not differ.any(), f"{differ.sum()} of {differ.size} pixels differ, by up to {gap}"


def equal(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and np.array_equal(np.asarray(one), np.asarray(other))
