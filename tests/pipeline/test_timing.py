"""Seconds by stage are the device's, and not those in which Python has queued its work: with a card that is acted."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tcdflow.engine import watch
from tcdflow.engine.watch import DenoiserWatch, Stopwatch
from tcdflow.pipeline.device import Moment, synchronize

CUDA = torch.device("cuda:1")


class Card:
    """Works off what is queued, and has events that say when."""

    def __init__(self) -> None:
        self.queued = self.done = 0.0
        self.streams: list[Any] = []

    def event(self, *, enable_timing: bool) -> Any:
        assert enable_timing
        return Event(self)

    def synchronize(self, device: torch.device) -> None:
        assert device == CUDA
        self.done = self.queued


class Event:
    def __init__(self, card: Card) -> None:
        self._card = card

    def record(self, stream: Any) -> None:
        self._card.streams.append(stream)
        self.at = self._card.queued

    def elapsed_time(self, later: Event) -> float:
        assert later.at <= self._card.done, "nobody has waited for it"
        return 1000 * (later.at - self.at)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    acted = Card()
    monkeypatch.setattr(torch.cuda, "Event", acted.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    monkeypatch.setattr(torch.cuda, "synchronize", acted.synchronize)
    return acted


def test_the_last_call_of_a_unet_ends_on_the_card(card: Card) -> None:
    unet, ended = torch.nn.Bilinear(1, 1, 1), Moment(CUDA)
    with DenoiserWatch(unet, CUDA) as denoiser:
        for timestep in (2.0, 1.0):
            card.queued += 5  # seconds of work, queued at once
            unet(torch.ones(1), torch.tensor([timestep]))
    card.queued += 3
    ended.mark()
    synchronize(CUDA)
    assert denoiser.last_end.seconds_until(ended) == pytest.approx(3)
    assert denoiser.take() == (2.0, 1.0)
    assert set(card.streams) == {"stream of cuda:1"}, "another card than the one that computes"


def test_each_stage_waits_for_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(watch, "synchronize", waited.append)
    stopwatch = Stopwatch(CUDA)
    for stage in ("load", "loras"):
        with stopwatch.stage(stage):
            pass
    assert waited == [CUDA, CUDA]
    assert list(stopwatch.seconds) == ["load", "loras"]


def test_on_a_cpu_moments_are_python_s() -> None:
    first, second = Moment(torch.device("cpu")), Moment(torch.device("cpu"))
    first.mark()
    second.mark()
    assert first.seconds_until(second) >= 0
    assert second.seconds_until(first) <= 0
