"""Random draws without a generator's state: each is a hash of seed, step, example and purpose.

So a distillation goes on from any step as if it had never stopped, and does not depend on how many processes share it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

_BITS = 53
"""Of the numbers below 1 that a float tells apart."""


def draw(*what: int | str) -> int:
    """Return 63 random bits for a purpose, such as ``draw(seed, step, number, "noise")``."""
    text = "/".join(map(str, what)).encode("utf-8")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def uniform(*what: int | str) -> float:
    """Return a number in [0, 1) for a purpose."""
    return (draw(*what) >> (63 - _BITS)) / 2.0**_BITS


def example(seed: int, place: int, count: int) -> int:
    """Return which of so many examples stands at a place of the whole training: each comes once an epoch.

    Args:
        seed: of the distillation.
        place: from 0 on, over all steps.
        count: of examples, at least 1.
    """
    epoch, within = divmod(place, count)
    return _order(seed, epoch, count)[within]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> tuple[int, ...]:
    return tuple(sorted(range(count), key=lambda number: (draw(seed, "epoch", epoch, number), number)))
