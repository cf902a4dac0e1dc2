"""Fusing a layer gives the bits of peft's own merge, for what is added here and for what is left to peft."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from tcdflow.pipeline.fusing import fuse


def layers(model: nn.Module) -> list[Any]:
    return [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]


def model(dtype: torch.dtype, **settings: Any) -> nn.Module:
    """A linear layer and convolutions of 1 × 1 and 3 × 3 with two LoRAs, of other ranks and weights."""
    torch.manual_seed(0)
    made: nn.Module = nn.Sequential(nn.Linear(48, 40), nn.Conv2d(24, 36, 1), nn.Conv2d(24, 36, 3), nn.Conv2d(4, 36, 3))
    for name, rank in (("one", 8), ("two", 5)):
        config = LoraConfig(
            r=rank, lora_alpha=3, target_modules=["0", "1", "2", "3"], init_lora_weights=False, **settings
        )
        inject_adapter_in_model(config, made, adapter_name=name)
    for layer in layers(made):
        layer.set_adapter(["one", "two"])
        layer.set_scale("two", 0.7)
    return made.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"use_dora": True}, {"lora_bias": True}], ids=str)
def test_it_is_what_peft_merges(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    ours = model(dtype, **settings)
    theirs = copy.deepcopy(ours)
    bare = [layer.get_base_layer().weight.clone() for layer in layers(ours)]
    for layer in layers(ours):
        fuse(layer)
    for layer in layers(theirs):
        layer.merge()
    for layer, other, before in zip(layers(ours), layers(theirs), bare, strict=True):
        base, wanted = layer.get_base_layer(), other.get_base_layer()
        assert not torch.equal(base.weight, before)
        assert torch.equal(base.weight, wanted.weight)
        assert torch.equal(base.bias, wanted.bias)
        assert layer.merged_adapters == other.merged_adapters
        assert not base.weight.data.requires_grad


def test_a_lora_that_is_switched_off_adds_nothing() -> None:
    ours = model(torch.float32)
    for layer in layers(ours):
        layer.set_adapter(["two"])
    theirs = copy.deepcopy(ours)
    for layer, other in zip(layers(ours), layers(theirs), strict=True):
        fuse(layer)
        other.merge()
        assert layer.merged_adapters == ["two"]
        assert torch.equal(layer.get_base_layer().weight, other.get_base_layer().weight)
