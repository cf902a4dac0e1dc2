"""The memory of cards, which a warm process gives back and looks at: with a torch that only says what is asked."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tcdflow.engine import card


class Cuda:
    """Two cards, of which the second was never used."""

    def __init__(self, free: float, *, opened: bool = True) -> None:
        self.free, self.opened = free, opened
        self.reserved = [1000, 0]
        self.emptied = 0

    def is_initialized(self) -> bool:
        return self.opened

    def device_count(self) -> int:
        assert self.opened, "it was opened only to be looked at"
        return 2

    def memory_reserved(self, number: int) -> int:
        return self.reserved[number]

    def empty_cache(self) -> None:
        self.emptied += 1

    def mem_get_info(self, number: int) -> tuple[float, float]:
        assert self.reserved[number], "it was opened only to be looked at"
        return self.free, 100.0


def use(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))


@pytest.mark.parametrize(("free", "short"), [(5.0, True), (50.0, False)])
def test_a_card_is_short_that_has_little_left(free: float, short: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Cuda(free), monkeypatch)
    assert card.is_short() is short


def test_what_torch_keeps_is_given_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(50.0)
    use(cuda, monkeypatch)
    card.give_back()
    assert cuda.emptied == 1


def test_no_card_is_opened_for_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Cuda(5.0, opened=False), monkeypatch)
    card.give_back()
    assert not card.is_short()


def test_nothing_is_imported_for_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    card.give_back()
    assert not card.is_short()
    assert "torch" not in sys.modules
