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
    }
    if "text_projection.weight" in tensors:
        converted["text_projection"] = tensors["text_projection.weight"].T
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


def _whole_open_clip(base: Path, prefix: str) -> dict[str, Tensor]:
    """Return the encoder of SD 2.1 with what its published file has beside the layers that are used.

    That is one block more, since the text is taken from the last but one, and what OpenCLIP needs for training.
    """
    tensors = _open_clip(base, "text_encoder", prefix)
    layers = max(int(key.split(".resblocks.")[1].split(".")[0]) for key in tensors if ".resblocks." in key)
    last, more = f".resblocks.{layers}.", f".resblocks.{layers + 1}."
    tensors |= {key.replace(last, more): value * 1.5 for key, value in tensors.items() if last in key}
    positions, width = tensors[f"{prefix}positional_embedding"].shape
    mask = torch.full((positions, positions), -torch.inf).triu(1)
    return tensors | {
        f"{prefix}attn_mask": mask,
        f"{prefix}logit_scale": torch.tensor(4.6),
        f"{prefix}text_projection": torch.eye(width) * 0.1,
    }


def build_vae_file(base: Path, dest: Path) -> Path:
    """Write the VAE of a base as one file in the original layout, as stabilityai/sdxl-vae has ``sdxl_vae.safetensors``.

    With it come the weights of the training's loss, as in ``vae-ft-mse-840000-ema-pruned.safetensors``.
    """
    tensors = {key.removeprefix("first_stage_model."): value for key, value in _vae(base).items()}
    save_tensors(tensors | {"loss.logvar": torch.zeros(())}, dest / "vae.safetensors")
    return dest


_CONTROL = {"conv_in": "input_hint_block.0", "conv_out": "input_hint_block.14"}


def _control_name(module: str, config: dict[str, Any]) -> str:
    """Name a ControlNet's module as the original layout does: those of its half of a UNet as a UNet's."""
    part, _, rest = module.partition(".")
    if part == "controlnet_cond_embedding":
        return _CONTROL.get(rest) or f"input_hint_block.{2 * int(rest.partition('.')[2]) + 2}"
    if part == "controlnet_down_blocks":
        return f"zero_convs.{rest}.0"
    if part == "controlnet_mid_block":
        return "middle_block_out.0"
    return unet_name(module, config["layers_per_block"], frozenset())


def build_controlnet_file(folder: Path, dest: Path) -> Path:
    """Write a ControlNet as one file in the original layout, as ``control_v11f1e_sd15_tile_fp16.safetensors`` is."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    named = {_control_name(module, config) + f".{ending}": value
             for (module, ending), value in ((_split(key), value) for key, value in tensors.items())}  # fmt: skip
    save_tensors({f"control_model.{name}": value for name, value in named.items()}, dest / "control.safetensors")
    return dest


def build_single_file(base: Path, dest: Path) -> Path:
    """Write a base stand-in in the folder ``base`` as one file, ``model.safetensors`` in ``dest``."""
    tensors = {**_unet(base), **_vae(base)}
    if (base / "text_encoder_2").is_dir():
        tensors |= _clip(base, "text_encoder", "conditioner.embedders.0.transformer.")
        tensors |= _open_clip(base, "text_encoder_2", "conditioner.embedders.1.model.")
    elif json.loads((base / "text_encoder" / "config.json").read_text(encoding="utf-8"))["hidden_act"] == "gelu":
        tensors |= _whole_open_clip(base, "cond_stage_model.model.")
    else:
        tensors |= _clip(base, "text_encoder", "cond_stage_model.transformer.")
    save_tensors(tensors, dest / "model.safetensors")
    return dest
