"""A LoRA layer's change added to its weight, bit for bit as peft's ``merge`` does it, without two further copies of it.

At the size of SD 1.5 most of the time that fusing takes on a CPU is new memory for products and their scaled copies.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Conv2d, Linear
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def fuse(layer: Any) -> None:
    """Add the active LoRAs of one of peft's layers to its base weight.

    Args:
        layer: with its parameters where they are to be added up.
    """
    adapters = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.merged or layer.disable_adapters or not all(_is_plain(layer, name) for name in adapters):
        layer.merge()
        return
    weight = layer.get_base_layer().weight.data
    for name in adapters:
        # The product is peft's own, of the same shapes: another form of it may differ in the last bits.
        weight += _product(layer, name)
        layer.merged_adapters.append(name)


def _product(layer: Any, name: str) -> Tensor:
    """Return the scaled product of a LoRA's matrices, of the weight's shape."""
    a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    product: Tensor
    if type(layer) is Linear:
        product = b @ a
    elif a.shape[2:] == (1, 1):
        product = (b.squeeze(3).squeeze(2) @ a.squeeze(3).squeeze(2))[:, :, None, None]
    else:
        product = functional.conv2d(a.transpose(0, 1), b).transpose(0, 1)
    return product.mul_(scale)


def _is_plain(layer: Any, name: str) -> bool:
    """Say whether a LoRA is a product of two float32 matrices on a CPU and nothing else, such as DoRA or a bias."""
    base = layer.get_base_layer()
    tensors = (base.weight, layer.lora_A[name].weight, layer.lora_B[name].weight)
    return (
        type(layer) in (Linear, Conv2d)
        and type(base) in (torch.nn.Linear, torch.nn.Conv2d)
        and getattr(base, "groups", 1) == 1
        and not getattr(layer, "fan_in_fan_out", False)
        and name not in layer.lora_variant
        and not layer.lora_bias.get(name)
        and all(one.dtype == torch.float32 and one.device.type == "cpu" for one in tensors)
    )
