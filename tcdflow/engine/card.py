"""The memory of the cards that this process computes on. Nothing is imported, nor a card opened, to look at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

_SCARCE = 0.1


def give_back() -> None:
    """Give back the memory that torch keeps for later; what is loaded stays."""
    if found := next(_cards(), None):
        found[0].empty_cache()


def is_short() -> bool:
    """Say whether a card that this process computes on has little memory left, for it and for others."""
    return any(free < _SCARCE * total for free, total in (cuda.mem_get_info(card) for cuda, card in _cards()))


def _cards() -> Iterator[tuple[Any, int]]:
    """Yield ``torch.cuda`` and the number of each card of which it holds memory: to ask another one would open it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        numbers = range(torch.cuda.device_count())
        yield from ((torch.cuda, number) for number in numbers if torch.cuda.memory_reserved(number))
