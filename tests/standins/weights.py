"""Random weights that depend on nothing but a seed and the parameters' names, and how they are saved."""

from __future__ import annotations

import copy
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

#: Name ending → factor on the standard deviation of a weight; the longest ending that fits wins.
Gains = Mapping[str, float]


def normal(seed: int, name: str, shape: tuple[int, ...], std: float) -> Tensor:
    """Draw a tensor whose values depend only on ``seed``, ``name`` and ``shape``.

    A generator per name, not one for all: adding a layer to a stand-in leaves the other layers as they were.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{name}".encode()))
    return torch.randn(shape, generator=generator) * std


def _gain(name: str, gains: Gains) -> float:
    fitting = [ending for ending in gains if name.endswith(ending)]
    return gains[max(fitting, key=len)] if fitting else 1.0


def fill(module: nn.Module, seed: int, gains: Gains | None = None) -> None:
    """Fill every parameter of a module: no zero convolutions, no default initialisation.

    Matrices and kernels get std ``gain / sqrt(fan_in)``, embeddings std ``gain``, norm scales ``1 ± 0.1``,
    biases ``± 0.1``. Diffusers zero-initialises ControlNet outputs and motion modules; trained ones are not
    zero, and a test of an effect needs one.
    """
    embeddings = {f"{name}.weight" for name, sub in module.named_modules() if isinstance(sub, nn.Embedding)}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            shape = tuple(parameter.shape)
            if len(shape) >= 2:
                fan_in = 1 if name in embeddings else math.prod(shape[1:])
                std = _gain(name, gains or {}) / math.sqrt(fan_in)
                parameter.copy_(normal(seed, name, shape, std))
            else:
                offset = 1.0 if name.endswith("weight") else 0.0
                parameter.copy_(normal(seed, name, shape, 0.1 * _gain(name, gains or {})) + offset)
    module.eval()
    module.requires_grad_(False)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, with the metadata that diffusers and transformers write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path, {"format": "pt"})


def save_variants(model: Any, folder: Path, variants: tuple[str | None, ...] = (None, "fp16")) -> None:
    """Save a diffusers or transformers model in fp32 and as the half-precision ``variant="fp16"`` beside it.

    The halves are written first: transformers puts the dtype into config.json, and the hub's says float32.
    """
    if "fp16" in variants:
        copy.deepcopy(model).half().save_pretrained(folder, variant="fp16")
    if None in variants:
        model.save_pretrained(folder)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a configuration file as the hub has them: two spaces, sorted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
