"""Tiny ControlNets, IP-Adapters and AnimateDiff motion adapters with a motion LoRA."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import ControlNetModel, MotionAdapter, T2IAdapter
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from .bases import CLIP_IMAGE_SIZE, SPECS, build_unet, unet_config
from .loras import pair
from .names import (
    IP_ADAPTER_FILES,
    IP_ADAPTER_SUBFOLDERS,
    MOTION_LORA_FILE,
    AdapterFamily,
    ControlKind,
    MotionVersion,
)
from .weights import fill, normal, save_tensors, save_variants

_IMAGE_TOKENS = 4


def build_controlnet(family: AdapterFamily, kind: ControlKind, dest: Path) -> Path:
    """Imitate diffusers/controlnet-depth-sdxl-1.0, …-canny-… and lllyasviel's for SD 1.5, with fp16 variants.

    The convolutions that diffusers starts at zero are not zero, as in a trained one: the control is seen.
    """
    spec = SPECS[family]
    net = ControlNetModel.from_unet(build_unet(spec), conditioning_embedding_out_channels=(4, 4, 8, 8))
    seed = spec.seed + (300 if kind == "depth" else 400)
    fill(net, seed)
    with torch.no_grad():
        for parameter in net.controlnet_cond_embedding.parameters():
            # Eight convolutions and no norm between them: without this the control image fades away.
            parameter.mul_(2.0)
    save_variants(net, dest)
    return dest


def build_t2i_adapter(family: AdapterFamily, grey: bool, dest: Path) -> Path:
    """Imitate TencentARC/t2i-adapter-canny-sdxl-1.0 and …/t2iadapter_canny_sd15v2, which reads grey images."""
    xl = family == "sdxl"
    blocks = list(unet_config(family)["block_out_channels"])
    adapter = T2IAdapter(
        in_channels=1 if grey else 3,
        channels=[*blocks, blocks[-1]] if xl else blocks,
        num_res_blocks=1,
        downscale_factor=16 if xl else 8,
        adapter_type="full_adapter_xl" if xl else "full_adapter",
    )
    fill(adapter, SPECS[family].seed + (900 if grey else 901))
    save_variants(adapter, dest)
    return dest


def _write_image_encoder(folder: Path, projection_dim: int, seed: int) -> None:
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=CLIP_IMAGE_SIZE,
        patch_size=8,
        projection_dim=projection_dim,
    )
    encoder = CLIPVisionModelWithProjection(config)
    fill(encoder, seed)
    save_variants(encoder, folder, (None,))


def _ip_adapter_tensors(family: AdapterFamily, projection_dim: int, seed: int) -> dict[str, Tensor]:
    """Name the tensors as h94/IP-Adapter does: cross-attentions by odd numbers, in the UNet's own order."""
    unet = build_unet(SPECS[family])
    width = unet.config.cross_attention_dim
    shapes = {"image_proj.proj.weight": (_IMAGE_TOKENS * width, projection_dim)}
    crossing = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for index, name in enumerate(crossing):
        inner = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
        shapes[f"ip_adapter.{2 * index + 1}.to_k_ip.weight"] = (inner, width)
        shapes[f"ip_adapter.{2 * index + 1}.to_v_ip.weight"] = (inner, width)
    tensors = {name: normal(seed, name, shape, 1.5 / shape[1] ** 0.5) for name, shape in shapes.items()}
    tensors["image_proj.proj.bias"] = normal(seed, "bias", (_IMAGE_TOKENS * width,), 0.1)
    tensors["image_proj.norm.weight"] = torch.ones(width)
    tensors["image_proj.norm.bias"] = torch.zeros(width)
    return tensors


def build_ip_adapter(dest: Path) -> Path:
    """Imitate h94/IP-Adapter: SD 1.5 in ``models``, SDXL in ``sdxl_models``, an image encoder in each.

    Beside each first file is the pickle that the real repository has too, for tests that must refuse it.
    """
    dims: dict[AdapterFamily, int] = {"sd15": 16, "sdxl": 24}
    for family, subfolder in IP_ADAPTER_SUBFOLDERS.items():
        _write_image_encoder(dest / subfolder / "image_encoder", dims[family], 500 + dims[family])
        for number, name in enumerate(IP_ADAPTER_FILES[family]):
            tensors = _ip_adapter_tensors(family, dims[family], 600 + number)
            save_tensors(tensors, dest / subfolder / name)
            if number == 0:
                nested: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
                for key, value in tensors.items():
                    part, rest = key.split(".", 1)
                    nested[part][rest] = value
                torch.save(nested, dest / subfolder / name.replace(".safetensors", ".bin"))
    return dest


def _motion_adapter(version: MotionVersion) -> MotionAdapter:
    return MotionAdapter(
        block_out_channels=unet_config("sd15")["block_out_channels"],
        motion_layers_per_block=2,
        motion_num_attention_heads=4,
        motion_norm_num_groups=8,
        motion_max_seq_length=32,
        use_motion_mid_block=version == "v1-5-2",
    )


def build_motion_adapter(version: MotionVersion, dest: Path) -> Path:
    """Imitate guoyww/animatediff-motion-adapter-v1-5 and …-v1-5-2."""
    adapter = _motion_adapter(version)
    fill(adapter, 700 if version == "v1-5" else 701)
    save_variants(adapter, dest)
    return dest


def build_motion_lora(dest: Path) -> Path:
    """Imitate guoyww/animatediff-motion-lora-zoom-in: made for ``v1-5-2``, in diffusers' oldest LoRA names.

    With the ``v1-5`` adapter, which the guide uses, its eight modules of the middle block match nothing.
    """
    with torch.device("meta"):
        adapter = _motion_adapter("v1-5-2")
    tensors: dict[str, Tensor] = {}
    for name, module in adapter.named_modules():
        if not isinstance(module, nn.Linear) or ".attn" not in name:
            continue
        attention, projection = name.removesuffix(".0").rsplit(".", 1)
        down, up = pair(800, name, tuple(module.weight.shape), 1.0)
        tensors[f"unet.{attention}.processor.{projection}_lora.down.weight"] = down
        tensors[f"unet.{attention}.processor.{projection}_lora.up.weight"] = up
    save_tensors(tensors, dest / MOTION_LORA_FILE)
    return dest
