"""Tiny base models: SD 1.5, SD 2.1 base, SDXL, SDXL inpainting, and fine-tunes of two of them.

Blocks, classes, flags and folders are those of the real repositories; channels and vocabularies are small.
A latent is an eighth of an image, as in the real ones, and the default image is 64 × 64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, PNDMScheduler, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPTextConfig

from .names import IMAGE_SIZE, BaseName, Family
from .text import END, text_config, write_text_encoder, write_tokenizer
from .weights import fill, save_variants, write_json

#: Edge of the images that the image encoders and the safety checker see (224 in the real ones).
CLIP_IMAGE_SIZE = 32

_TEXT_WIDTH = {"sd15": 32, "sd21": 48, "sdxl": 32}
# Not the width of the first: single-file loading tells SDXL's two encoders apart by their widths alone.
_SECOND_TEXT_WIDTH = 48
_TIME_ID_WIDTH = 8


@dataclass(frozen=True, slots=True)
class BaseSpec:
    """What distinguishes one base stand-in from another.

    ``flagging`` is for the safety checker: whether it finds every image objectionable, or none.
    """

    family: Family
    seed: int
    inpainting: bool = False
    safety_checker: bool = False
    flagging: bool = False

    @property
    def pipeline(self) -> str:
        """Name the pipeline class that ``model_index.json`` names."""
        if self.family != "sdxl":
            return "StableDiffusionPipeline"
        return "StableDiffusionXLInpaintPipeline" if self.inpainting else "StableDiffusionXLPipeline"


SPECS: dict[BaseName, BaseSpec] = {
    "sd15": BaseSpec("sd15", 15),
    "sd15_finetune": BaseSpec("sd15", 1500),
    "sd15_flagging": BaseSpec("sd15", 15, safety_checker=True, flagging=True),
    "sd15_with_safety_checker": BaseSpec("sd15", 15, safety_checker=True),
    "sd21_base": BaseSpec("sd21", 21),
    "sdxl": BaseSpec("sdxl", 10),
    "sdxl_finetune": BaseSpec("sdxl", 1000),
    "sdxl_inpainting": BaseSpec("sdxl", 19, inpainting=True),
}


def unet_config(family: Family, in_channels: int = 4) -> dict[str, Any]:
    """Give the UNet configuration of a family: the real one with few channels."""
    down, up = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    common = {
        "sample_size": IMAGE_SIZE // 8,
        "in_channels": in_channels,
        "out_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 8,
        "cross_attention_dim": _TEXT_WIDTH[family],
    }
    four_blocks = {
        "block_out_channels": (16, 32, 32, 32),
        "down_block_types": (down, down, down, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", up, up, up),
    }
    if family == "sd15":
        return {**common, **four_blocks, "attention_head_dim": 4}
    if family == "sd21":
        return {**common, **four_blocks, "attention_head_dim": (2, 4, 4, 4), "use_linear_projection": True}
    return {
        **common,
        "block_out_channels": (16, 32, 64),
        "down_block_types": ("DownBlock2D", down, down),
        "up_block_types": (up, up, "UpBlock2D"),
        "attention_head_dim": (2, 4, 8),
        "transformer_layers_per_block": (1, 1, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": _TIME_ID_WIDTH,
        "projection_class_embeddings_input_dim": 6 * _TIME_ID_WIDTH + _SECOND_TEXT_WIDTH,
        "cross_attention_dim": _TEXT_WIDTH[family] + _SECOND_TEXT_WIDTH,
    }


def text_configs(family: Family) -> tuple[CLIPTextConfig, ...]:
    """Give the configurations of a family's text encoders, two of them for SDXL."""
    width = _TEXT_WIDTH[family]
    first = text_config(width, activation="gelu" if family == "sd21" else "quick_gelu", projection_dim=width)
    if family != "sdxl":
        return (first,)
    return first, text_config(_SECOND_TEXT_WIDTH, activation="gelu", projection_dim=_SECOND_TEXT_WIDTH)


def build_unet(spec: BaseSpec) -> UNet2DConditionModel:
    """Make the UNet of a base stand-in, filled with its weights."""
    unet = UNet2DConditionModel(**unet_config(spec.family, in_channels=9 if spec.inpainting else 4))
    # Sharp and strong cross-attention, so that the words of a prompt are seen in the image.
    fill(unet, spec.seed, {"attn2.to_q.weight": 2.0, "attn2.to_k.weight": 2.0, "attn2.to_v.weight": 2.0})
    return unet


def build_vae(spec: BaseSpec) -> AutoencoderKL:
    """Make the autoencoder of a base stand-in; SDXL's has its own scale and asks for float32."""
    config: dict[str, Any] = {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "sample_size": IMAGE_SIZE,
        "block_out_channels": (8, 16, 16, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "scaling_factor": 0.13025 if spec.family == "sdxl" else 0.18215,
    }
    vae = AutoencoderKL(**config, force_upcast=True) if spec.family == "sdxl" else AutoencoderKL(**config)
    fill(vae, spec.seed + 1, {"decoder.conv_out.weight": 0.6})
    return vae


def _write_image_processor(folder: Path) -> None:
    """Write the ``preprocessor_config.json`` of a CLIP image processor, as SD 1.5 has it.

    By hand: without torchvision transformers would put a class of its own fall-back in it.
    """
    clip_mean, clip_std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    write_json(
        folder / "preprocessor_config.json",
        {
            "crop_size": {"height": CLIP_IMAGE_SIZE, "width": CLIP_IMAGE_SIZE},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            "image_mean": clip_mean,
            "image_processor_type": "CLIPImageProcessor",
            "image_std": clip_std,
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": CLIP_IMAGE_SIZE},
        },
    )


def _write_safety_checker(folder: Path, seed: int, *, flagging: bool) -> None:
    """Write a real safety checker whose answer is known: a cosine is never above 1 and always above -1."""
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**tower, "image_size": CLIP_IMAGE_SIZE, "patch_size": 8, "projection_dim": 16}
    config = CLIPConfig(vision_config=vision, text_config=tower, projection_dim=16)
    checker = StableDiffusionSafetyChecker(config)
    fill(checker, seed)
    with torch.no_grad():
        threshold = -1.1 if flagging else 1.1
        checker.concept_embeds_weights.fill_(threshold)
        checker.special_care_embeds_weights.fill_(threshold)
    save_variants(checker, folder)


def _write_scheduler(folder: Path, spec: BaseSpec) -> None:
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
    if spec.family == "sdxl":
        EulerDiscreteScheduler(**betas, timestep_spacing="leading").save_pretrained(folder)
    else:
        PNDMScheduler(**betas, skip_prk_steps=True, set_alpha_to_one=False).save_pretrained(folder)


def build_other_vae(name: BaseName, dest: Path) -> Path:
    """Imitate stabilityai/sd-vae-ft-mse and madebyollin/sdxl-vae-fp16-fix: a base's VAE with other weights."""
    vae = build_vae(replace(SPECS[name], seed=SPECS[name].seed + 5000))
    save_variants(vae, dest)
    return dest


def build_base(name: BaseName, dest: Path) -> Path:
    """Build a whole base repository, in fp32 and with the ``fp16`` variant of every model."""
    spec = SPECS[name]
    encoders = text_configs(spec.family)
    write_tokenizer(dest / "tokenizer", "!" if spec.family == "sd21" else END)
    write_text_encoder(dest / "text_encoder", encoders[0], spec.seed + 2)
    save_variants(build_unet(spec), dest / "unet")
    save_variants(build_vae(spec), dest / "vae")
    _write_scheduler(dest / "scheduler", spec)
    index: dict[str, Any] = {
        "_class_name": spec.pipeline,
        "_diffusers_version": "0.19.0",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if spec.family == "sdxl":
        write_tokenizer(dest / "tokenizer_2", "!")
        write_text_encoder(dest / "text_encoder_2", encoders[1], spec.seed + 3, with_projection=True)
        index |= {
            "force_zeros_for_empty_prompt": True,
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
        }
        if spec.inpainting:
            index["requires_aesthetics_score"] = False
    else:
        _write_image_processor(dest / "feature_extractor")
        if spec.safety_checker:
            _write_safety_checker(dest / "safety_checker", spec.seed + 4, flagging=spec.flagging)
            checker: list[str | None] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
        else:
            checker = [None, None]
        index |= {
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "requires_safety_checker": spec.safety_checker,
            "safety_checker": checker,
            "scheduler": ["diffusers", "PNDMScheduler"],
        }
    write_json(dest / "model_index.json", index)
    return dest
