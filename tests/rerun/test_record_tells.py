"""The record says what was done, not what was asked: each fact is made wrong on purpose, and told."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from tcdflow.engine import sampler
from tcdflow.engine.warm import WarmEngine
from tcdflow.pipeline import base, schedulers
from tcdflow.pipeline.loras import LoraStack
from tcdflow.record import document
from tcdflow.record.document import Record
from tests.rerun.conftest import Tcdflow


@pytest.fixture(autouse=True)
def cold(engine: WarmEngine) -> Iterator[None]:
    """What a test corrupts is loaded for it alone."""
    engine.close()
    yield
    engine.close()


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
    from diffusers import StableDiffusionImg2ImgPipeline as Pipeline

    call = Pipeline.__call__

    @functools.wraps(call)
    def hasty(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call(self, *args, **kwargs | {"num_inference_steps": 2})

    monkeypatch.setattr(Pipeline, "__call__", hasty)
    record, reasons = wrong()
    assert record.execution["unet_calls"] == len(record.execution["timesteps"]) == 1
    assert reasons[-1] == "unet_calls: 2 then, 1 now"


def test_no_lora(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoraStack, "attach", lambda *args, **kwargs: ())
    record, reasons = wrong()
    assert record.execution["loras"] == []
    (reason,) = reasons
    assert reason.startswith("loras attached: [{'name': 'tcd', ")
    assert reason.endswith(" then, [] now")


def test_a_stack_that_was_not_fused(tcd: Tcdflow, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attach = LoraStack.attach
    monkeypatch.setattr(LoraStack, "attach", lambda self, entries, **_: attach(self, entries, fuse=False))
    assert tcd("rerun", "outputs/image", "hydra.run.dir=again").status == 0
    assert [lora["fused"] for lora in document.read(here / "again").execution["loras"]] == [False]


def test_another_dtype(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    load = base.load
    monkeypatch.setattr(base, "load", lambda *args: load(*args).to(torch.bfloat16))
    record, reasons = wrong()
    assert {part["dtype"] for part in record.execution["components"].values()} == {"bfloat16"}
    assert "dtype of unet: float32 then, bfloat16 now" in reasons


def test_steps_at_other_times(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import TCDScheduler

    set_timesteps = TCDScheduler.set_timesteps

    def early(self: Any, *args: Any, **kwargs: Any) -> None:
        set_timesteps(self, *args, **kwargs)
        self.timesteps = self.timesteps - 30

    monkeypatch.setattr(TCDScheduler, "set_timesteps", early)
    record, reasons = wrong()
    then = document.read(Path("outputs/image")).execution["timesteps"]
    assert record.execution["timesteps"] == [timestep - 30 for timestep in then]
    assert reasons == [f"timesteps: {then} then, {record.execution['timesteps']} now"]


def test_another_weight(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline as Pipeline

    weigh = Pipeline.set_adapters
    monkeypatch.setattr(Pipeline, "set_adapters", lambda self, names, **_: weigh(self, names, [0.25] * len(names)))
    record, (reason,) = wrong()
    (lora,) = record.execution["loras"]
    assert (lora["weight"], lora["weights_of_layers"]) == (1.0, [0.25])
    assert "'weights_of_layers': [1.0]" in reason and reason.startswith("loras attached: ")


def test_a_lora_that_is_switched_off(tcd: Tcdflow, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline as Pipeline

    monkeypatch.setattr(Pipeline, "set_adapters", lambda self, names, **_: self.disable_lora())
    said = tcd("rerun", "outputs/image", "lora_stack.fuse=false", "hydra.run.dir=again")
    assert said.status == 0, said.err
    (lora,) = document.read(here / "again").execution["loras"]
    assert (lora["weight"], lora["weights_of_layers"]) == (1.0, [0.0])


def test_a_lora_that_fits_in_part(tcd: Tcdflow, here: Path) -> None:
    """Where that is allowed, the record tells how much of it: here one layer of a file that has two."""
    import torch
    from safetensors.torch import save_file

    from tcdflow import embedded

    with safe_open(embedded.lora_path("emoji"), framework="pt") as file:
        keys = [key for key in file.keys() if ".to_out." in key][:2]  # noqa: SIM118
        tensors = {key: file.get_tensor(key) for key in keys}
    strange = {key.replace("unet.", "unet.no_such."): torch.clone(tensor) for key, tensor in tensors.items()}
    save_file(tensors | strange, here / "half.safetensors")
    loras = ["loras.tcd.source=half.safetensors", "loras.tcd.partial=true", "loras.tcd.weight=0.7"]
    said = tcd("rerun", "outputs/image", *loras, "lora_stack.fuse=false", "hydra.run.dir=again")
    assert said.status == 0, said.err
    (lora,) = document.read(here / "again").execution["loras"]
    assert (sum(lora["modules"].values()), lora["modules_in_file"]) == (1, 2)
    assert (lora["weights_of_layers"], lora["fused"]) == ([0.7], False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda pipe: pipe.text_encoder.to("meta"), ("text_encoder", "float32", "meta")),
        (lambda pipe: pipe.unet.conv_out.double(), ("unet", "float32+float64", "cpu")),
        (lambda pipe: pipe.vae.encoder.to("meta"), ("vae", "float32", "cpu+meta")),
    ],
)
def test_parts_that_are_elsewhere_or_of_another_kind(
    change: Any, told: tuple[str, str, str], tcd: Tcdflow, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As offloading leaves them, whole or in part, when the images are made."""
    make = sampler.Sampler.make

    def changed(self: sampler.Sampler, *args: Any) -> Any:
        taken = make(self, *args)
        change(self._pipe)
        return taken

    monkeypatch.setattr(sampler.Sampler, "make", changed)
    assert tcd("rerun", "outputs/image", "hydra.run.dir=again").status == 0
    components = document.read(here / "again").execution["components"]
    name, dtype, device = told
    assert (components[name]["dtype"], components[name]["device"]) == (dtype, device)
    others = {(part["dtype"], part["device"]) for other, part in components.items() if other != name}
    assert others == {("float32", "cpu")}


def test_more_threads(tcd: Tcdflow, here: Path) -> None:
    import torch

    torch.set_num_threads(2)
    try:
        tcd("rerun", "outputs/image", "hydra.run.dir=again")
    finally:
        torch.set_num_threads(1)
    assert document.read(here / "again").environment["threads"] == 2
