"""Bases of the real size, with random weights: for time and memory, which do not ask what is in the weights.

Shapes are those of the published configs of SD 1.5 and SDXL. They take gigabytes, so whoever measures makes them, and
removes them. The tokenizers are the small ones, whose numbers are all in the real vocabulary.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, PNDMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from .loras import DISTILLED
from .text import END, write_tokenizer
from .weights import save_tensors, write_json

Size = Literal["sd15", "sdxl"]

_DOWN, _UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
_UNETS: dict[Size, dict[str, Any]] = {
    "sd15": {
        "sample_size": 64,
        "block_out_channels": (320, 640, 1280, 1280),
        "down_block_types": (_DOWN, _DOWN, _DOWN, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", _UP, _UP, _UP),
        "attention_head_dim": 8,
        "cross_attention_dim": 768,
    },
    "sdxl": {
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", _DOWN, _DOWN),
        "up_block_types": (_UP, _UP, "UpBlock2D"),
        "attention_head_dim": (5, 10, 20),
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "cross_attention_dim": 2048,
    },
}
_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
_BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}


def build_full(size: Size, folder: Path, dtype: torch.dtype = torch.float16, device: str = "cpu") -> Path:
    """Write a base of the real size: 2 GB (``sd15``) or 7 GB (``sdxl``) in float16.

    Args:
        size: which.
        folder: is made.
        dtype: of the files.
        device: where the weights are drawn.
    """
    draws = torch.Generator(device).manual_seed(0)

    def save(make: Any, name: str) -> None:
        with torch.device("meta"):
            model = make()
        model = model.to_empty(device=device).to(dtype)
        _fill(model, draws)
        model.save_pretrained(folder / name)

    xl = size == "sdxl"
    save(lambda: UNet2DConditionModel(**_UNETS[size]), "unet")
    scale = {"scaling_factor": 0.13025, "sample_size": 1024, "force_upcast": True} if xl else {"sample_size": 512}
    save(lambda: AutoencoderKL(**_VAE, **scale), "vae")
    save(lambda: CLIPTextModel(_text(768, 12, 12, "quick_gelu")), "text_encoder")
    write_tokenizer(folder / "tokenizer", END)
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline",
        "_diffusers_version": "0.19.0",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if xl:
        save(lambda: CLIPTextModelWithProjection(_text(1280, 32, 20, "gelu")), "text_encoder_2")
        write_tokenizer(folder / "tokenizer_2", "!")
        EulerDiscreteScheduler(**_BETAS, timestep_spacing="leading").save_pretrained(folder / "scheduler")
        index |= {
            "force_zeros_for_empty_prompt": True,
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
        }
    else:
        PNDMScheduler(**_BETAS, skip_prk_steps=True, set_alpha_to_one=False).save_pretrained(folder / "scheduler")
        index |= {
            "requires_safety_checker": False,
            "feature_extractor": [None, None],
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "PNDMScheduler"],
        }
    write_json(folder / "model_index.json", index)
    return folder


def build_full_lora(base: Path, path: Path, rank: int = 64, seed: int = 1) -> Path:
    """Write a TCD-LoRA for such a base, of the modules that the published ones change, in float16."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(base / "unet"))
    draws = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and name.endswith(DISTILLED):
            outputs, inputs, *window = module.weight.shape
            for half, shape in (("A", (rank, inputs, *window)), ("B", (outputs, rank, *(1 for _ in window)))):
                tensors[f"unet.{name}.lora_{half}.weight"] = torch.randn(shape, generator=draws).mul_(0.01).half()
    save_tensors(tensors, path)
    return path


def _text(width: int, layers: int, heads: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=77,
        hidden_act=activation,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )


@torch.no_grad()
def _fill(model: nn.Module, draws: torch.Generator) -> None:
    """Draw weights that keep activations of the order of 1."""
    for name, one in model.named_parameters():
        if one.dim() >= 2:
            one.normal_(0, 1 / math.sqrt(math.prod(one.shape[1:])), generator=draws)
        else:
            one.fill_(1.0 if name.endswith("weight") else 0.0)
    for name, buffer in model.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1]).expand_as(buffer))
