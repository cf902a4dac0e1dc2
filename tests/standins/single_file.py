"""The base stand-ins as single checkpoints in the original layout: the inverse of diffusers' conversion.

Community models are often shared so (``v1-5-pruned-emaonly.safetensors``, ``sd_xl_base_1.0.safetensors``).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from .ldm_names import attending_blocks, unet_name, vae_name
from .weights import save_tensors

_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def _component(base: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    stem = "model" if name.startswith("text_encoder") else "diffusion_pytorch_model"
    config: dict[str, Any] = json.loads((base / name / "config.json").read_text(encoding="utf-8"))
    return config, load_file(base / name / f"{stem}.safetensors")


def _split(key: str) -> tuple[str, str]:
    module, _, ending = key.rpartition(".")
    return module, ending


def _unet(base: Path) -> dict[str, Tensor]:
    config, tensors = _component(base, "unet")
    attending = attending_blocks(config["up_block_types"])
    converted: dict[str, Tensor] = {}
    for key, value in tensors.items():
        module, ending = _split(key)
        name = unet_name(module, config["layers_per_block"], attending)
        converted[f"model.diffusion_model.{name}.{ending}"] = value
    return converted


def _vae(base: Path) -> dict[str, Tensor]:
    config, tensors = _component(base, "vae")
    converted: dict[str, Tensor] = {}
    for key, value in tensors.items():
        module, ending = _split(key)
        # The original's attention is made of 1 × 1 convolutions where diffusers has linear layers.
        kernel = value[:, :, None, None] if ".attentions." in key and value.ndim == 2 else value
        converted[f"first_stage_model.{vae_name(module, len(config['up_block_types']))}.{ending}"] = kernel
    return converted


def _clip(base: Path, name: str, prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": value for key, value in _component(base, name)[1].items()}


def _open_clip(base: Path, name: str, prefix: str) -> dict[str, Tensor]:
    """Turn a CLIP encoder into OpenCLIP's: query, key and value in one matrix, the projection transposed."""
    tensors = _component(base, name)[1]
    converted = {
        "positional_embedding": tensors["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": tensors["text_model.embeddings.token_embedding.weight"],
        "ln_final.weight": tensors["text_model.final_layer_norm.weight"],
        "ln_final.bias": tensors["text_model.final_layer_norm.bias"],
        "text_projection": tensors["text_projection.weight"].T,
    }
    for key, value in tensors.items():
        found = re.fullmatch(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", key)
        if not found:
            continue
        layer, module, ending = found.groups()
        block = f"transformer.resblocks.{layer}"
        if module in _OPEN_CLIP:
            converted[f"{block}.{_OPEN_CLIP[module]}.{ending}"] = value
        elif module.endswith("q_proj"):
            parts = [tensors[key.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            converted[f"{block}.attn.in_proj_{ending}"] = torch.cat(parts)
    return {f"{prefix}{key}": value for key, value in converted.items()}


def build_single_file(base: Path, dest: Path) -> Path:
    """Write the SD 1.5 or SDXL stand-in in the folder ``base`` as one file, ``model.safetensors`` in ``dest``."""
    tensors = {**_unet(base), **_vae(base)}
    if (base / "text_encoder_2").is_dir():
        tensors |= _clip(base, "text_encoder", "conditioner.embedders.0.transformer.")
        tensors |= _open_clip(base, "text_encoder_2", "conditioner.embedders.1.model.")
    else:
        tensors |= _clip(base, "text_encoder", "cond_stage_model.transformer.")
    save_tensors(tensors, dest / "model.safetensors")
    return dest
