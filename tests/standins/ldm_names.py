"""Names of layers in the original Stable Diffusion code (LDM, and SDXL's "sgm"), from diffusers' names.

Single-file checkpoints use them, and so do the SDXL LoRAs that kohya's trainer writes. Diffusers translates
the other way only.
"""

from __future__ import annotations

from collections.abc import Iterable

_UNET_FIXED = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}

_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def attending_blocks(kinds: Iterable[str]) -> frozenset[int]:
    """Give the numbers of the blocks that have attention, from the block types of a configuration."""
    return frozenset(number for number, kind in enumerate(kinds) if "CrossAttn" in kind)


def unet_name(module: str, layers_per_block: int, attending_up_blocks: frozenset[int]) -> str:
    """Translate the name of a UNet module, such as ``mid_block.attentions.0.proj_in``.

    ``attending_up_blocks`` holds the numbers of the up blocks with attention: there the upsampler is third.
    """
    if module in _UNET_FIXED:
        return _UNET_FIXED[module]
    parts = module.split(".")
    per_block = layers_per_block + 1
    if parts[0] == "mid_block":
        kind, layer, rest = parts[1], int(parts[2]), parts[3:]
        root = f"middle_block.{1 if kind == 'attentions' else 2 * layer}"
    else:
        direction, block, kind, layer, rest = parts[0], int(parts[1]), parts[2], int(parts[3]), parts[4:]
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * per_block}.0.op"
        if kind == "upsamplers":
            place = 2 if block in attending_up_blocks else 1
            return f"output_blocks.{block * per_block + layers_per_block}.{place}.conv"
        place = 1 if kind == "attentions" else 0
        if direction == "down_blocks":
            root = f"input_blocks.{block * per_block + layer + 1}.{place}"
        else:
            root = f"output_blocks.{block * per_block + layer}.{place}"
    inner = ".".join(rest)
    return f"{root}.{_RESNET[inner] if kind == 'resnets' else inner}"


def vae_name(module: str, blocks: int) -> str:
    """Translate the name of an autoencoder's module; the decoder's blocks are numbered from the other end."""
    name = module.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    parts = name.split(".")
    if len(parts) < 3:
        return name
    side, block, rest = parts[0], parts[1], parts[2:]
    if block == "mid_block":
        inner = ".".join(rest[2:])
        if rest[0] == "attentions":
            return f"{side}.mid.attn_1.{_VAE_ATTENTION[inner]}"
        return f"{side}.mid.block_{int(rest[1]) + 1}.{inner}"
    number = int(rest[0]) if side == "encoder" else blocks - 1 - int(rest[0])
    direction = "down" if side == "encoder" else "up"
    if rest[1] in {"downsamplers", "upsamplers"}:
        return f"{side}.{direction}.{number}.{direction}sample.conv"
    return f"{side}.{direction}.{number}.block.{rest[2]}.{'.'.join(rest[3:])}"
