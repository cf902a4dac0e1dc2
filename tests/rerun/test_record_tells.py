"""The record says what was done, not what was asked: each fact is made wrong on purpose, and told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tcdflow.engine import making
from tcdflow.pipeline import base, schedulers
from tcdflow.pipeline.loras import LoraStack
from tcdflow.record import document
from tcdflow.record.document import Record
from tests.rerun.conftest import Tcdflow


@pytest.fixture
def wrong(tcd: Tcdflow, here: Path) -> Any:
    """Make the recorded run again after something was corrupted: the record of it, and the reasons that are given."""

    def again() -> tuple[Record, Sequence[str]]:
        said = tcd("rerun", "outputs/image", "--verify", "hydra.run.dir=again")
        assert said.status == 1, said.out
        assert "000.png: differs" in said.out
        reasons = said.out.partition("likeliest reason first:\n")[2]
        record = document.read(here / "again")
        assert record.spec == document.read(here / "outputs/image").spec, "what was asked for is the same"
        return record, [line.strip() for line in reasons.splitlines()]

    return again


def test_another_scheduler(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    monkeypatch.setattr(schedulers, "make", lambda spec, config: diffusers.DDIMScheduler.from_config(config))
    record, reasons = wrong()
    assert record.execution["scheduler"] == "DDIMScheduler"
    assert reasons[0] == "scheduler: TCDScheduler then, DDIMScheduler now"
    assert reasons[1].startswith("timesteps: ")


def test_fewer_steps(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    common = making._common
    monkeypatch.setattr(making, "_common", lambda *args: common(*args) | {"num_inference_steps": 2})
    record, reasons = wrong()
    assert record.execution["unet_calls"] == len(record.execution["timesteps"]) == 1
    assert reasons[-1] == "unet_calls: 2 then, 1 now"


def test_no_lora(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoraStack, "put_on", lambda *args, **kwargs: ())
    record, reasons = wrong()
    assert record.execution["loras"] == []
    (reason,) = reasons
    assert reason.startswith("loras attached: [{'name': 'tcd', ")
    assert reason.endswith(" then, [] now")


def test_a_stack_that_was_not_fused(tcd: Tcdflow, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoraStack, "_fuse", lambda self: None)
    assert tcd("rerun", "outputs/image", "hydra.run.dir=again").status == 0
    assert [lora["fused"] for lora in document.read(here / "again").execution["loras"]] == [False]


def test_another_dtype(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    load = base.load
    monkeypatch.setattr(base, "load", lambda *args: load(*args).to(torch.bfloat16))
    record, reasons = wrong()
    assert {part["dtype"] for part in record.execution["components"].values()} == {"bfloat16"}
    assert "dtype of unet: float32 then, bfloat16 now" in reasons


def test_more_threads(tcd: Tcdflow, here: Path) -> None:
    import torch

    torch.set_num_threads(2)
    try:
        tcd("rerun", "outputs/image", "hydra.run.dir=again")
    finally:
        torch.set_num_threads(1)
    assert document.read(here / "again").environment["threads"] == 2
