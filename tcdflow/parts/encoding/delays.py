"""How long each frame of an animation is shown, in formats that count whole units of time."""

from __future__ import annotations

import itertools


def delays(count: int, fps: int, units: int, least: int = 1) -> list[int]:
    """Return how long each frame is shown, in whole units, so that the sum is right to half a unit.

    Args:
        count: of frames.
        fps: frames a second.
        units: in a second.
        least: units that a frame is shown at the least, even if that makes the whole longer.
    """
    ends = [(2 * units * number + fps) // (2 * fps) for number in range(count + 1)]
    return [max(end - start, least) for start, end in itertools.pairwise(ends)]
