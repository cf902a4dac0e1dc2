"""Tiny LoRAs for each family: the formats found on the hub, and damaged files.

Every ``up`` matrix is non-zero and strong enough to be seen in the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn

from .bases import text_configs, unet_config
from .ldm_names import attending_blocks, unet_name
from .names import FAMILIES, LORA_FILES, Family, LoraKind
from .weights import normal, save_tensors

RANK = 4
#: kohya's files have an alpha beside the weights, and the effect is multiplied by alpha / rank.
KOHYA_ALPHA = 2.0

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
# What the distillation scripts of LCM and TCD train: everything but the embeddings and the ends.
DISTILLED = (*_ATTENTION, "conv1", "conv2", "conv_shortcut", "time_emb_proj", "samplers.0.conv")
_FEW = ("to_out", "conv1", "out_proj")
_TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def _unet_modules(family: Family, endings: tuple[str, ...]) -> Iterator[tuple[str, nn.Module]]:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**unet_config(family))
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and name.endswith(endings):
            yield name, module


def pair(seed: int, name: str, shape: tuple[int, ...], strength: float) -> tuple[Tensor, Tensor]:
    """Make the ``down`` and ``up`` tensors for a weight of ``shape``, a matrix or a convolution's kernel.

    Their product has ``strength`` times the spread of a weight of the stand-ins.
    """
    outputs, fan_in = shape[0], math.prod(shape[1:])
    down = normal(seed, f"{name}.down", (RANK, *shape[1:]), 1 / math.sqrt(fan_in))
    up = normal(seed, f"{name}.up", (outputs, RANK, *(1 for _ in shape[2:])), strength / math.sqrt(RANK))
    return down, up


def _shape(module: nn.Module) -> tuple[int, ...]:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return tuple(weight.shape)


def _tcd(family: Family, seed: int) -> dict[str, Tensor]:
    """Imitate h1t/TCD-SDXL-LoRA and its kin: the UNet alone, convolutions and time embeddings included."""
    tensors: dict[str, Tensor] = {}
    for name, module in _unet_modules(family, DISTILLED):
        down, up = pair(seed, name, _shape(module), 0.3)
        tensors[f"unet.{name}.lora_A.weight"] = down
        tensors[f"unet.{name}.lora_B.weight"] = up
    return tensors


def _kohya_unet_name(family: Family, name: str) -> str:
    if family == "sdxl":
        # kohya trains SDXL in the original code, so that its names are those of the original code.
        config = unet_config(family)
        name = unet_name(name, config["layers_per_block"], attending_blocks(config["up_block_types"]))
    return "lora_unet_" + name.replace(".", "_")


def _kohya_text_names(family: Family) -> Iterator[tuple[str, tuple[int, ...]]]:
    prefixes = ("lora_te1", "lora_te2") if family == "sdxl" else ("lora_te",)
    for prefix, config in zip(prefixes, text_configs(family), strict=True):
        width, inner = config.hidden_size, config.intermediate_size
        shapes = {"fc1": (inner, width), "fc2": (width, inner)}
        for layer in range(config.num_hidden_layers):
            for ending in _TEXT:
                part = "mlp" if ending in shapes else "self_attn"
                name = f"{prefix}_text_model_encoder_layers_{layer}_{part}_{ending}"
                yield name, shapes.get(ending, (width, width))


def _style(family: Family, seed: int, *, text: bool) -> dict[str, Tensor]:
    """Imitate TheLastBen/Papercut_SDXL: kohya's names, an alpha beside each pair, attention layers alone."""
    modules = _unet_modules(family, _ATTENTION)
    shapes = {_kohya_unet_name(family, name): _shape(module) for name, module in modules}
    if text:
        shapes |= dict(_kohya_text_names(family))
    tensors: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        down, up = pair(seed, name, shape, 0.8)
        tensors[f"{name}.lora_down.weight"] = down
        tensors[f"{name}.lora_up.weight"] = up
        tensors[f"{name}.alpha"] = torch.tensor(KOHYA_ALPHA)
    return tensors


def _none_match(seed: int) -> dict[str, Tensor]:
    """Imitate a LoRA of another architecture (FLUX), of which diffusers says no more than a warning."""
    tensors: dict[str, Tensor] = {}
    for block in range(2):
        for part in ("to_q", "to_k", "to_v"):
            name = f"transformer.single_transformer_blocks.{block}.attn.{part}"
            down, up = pair(seed, name, (32, 32), 0.5)
            tensors[f"{name}.lora_A.weight"] = down
            tensors[f"{name}.lora_B.weight"] = up
    return tensors


def _partial(family: Family, seed: int) -> dict[str, Tensor]:
    """Move every second module of the distilled LoRA to a place that the UNet does not have."""
    whole = _tcd(family, seed)
    names = list(dict.fromkeys(key.split(".lora_")[0] for key in whole))
    moved = {name: f"unet.mid_block.attentions.7.{name.removeprefix('unet.')}" for name in names[::2]}
    tensors: dict[str, Tensor] = {}
    for key, value in whole.items():
        name, ending = key.split(".lora_")
        tensors[f"{moved.get(name, name)}.lora_{ending}"] = value
    return tensors


def build_lora(family: Family, kind: LoraKind, dest: Path) -> Path:
    """Build the repository of one LoRA: a folder with the one file ``LORA_FILES[kind]``."""
    seed = 100 + FAMILIES.index(family)
    if kind == "tcd":
        tensors = _tcd(family, seed)
    elif kind == "none_match":
        tensors = _none_match(seed)
    elif kind == "partial":
        tensors = _partial(family, seed)
    else:
        tensors = _style(family, seed + 100, text=kind == "style_text")
    save_tensors(tensors, dest / LORA_FILES[kind])
    return dest


def build_thin_lora(whole: Path, dest: Path) -> Path:
    """Keep a few layers of a LoRA, in every block of the UNet and in the text encoders. Returns the file."""
    tensors = load_file(whole)
    kept = {key: value for key, value in tensors.items() if any(part in key for part in _FEW)}
    assert 0 < len(kept) < len(tensors) / 3
    save_tensors(kept, dest / whole.name)
    return dest / whole.name
