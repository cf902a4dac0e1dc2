"""A tiny depth estimator and a tiny autoencoder: what stands beside the diffusion models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from transformers import DPTConfig, DPTForDepthEstimation

from .weights import fill, save_variants, write_json

#: Edge of the images the depth estimator sees (384 in the real one).
DEPTH_IMAGE_SIZE = 64


def build_depth_estimator(dest: Path) -> Path:
    """Imitate Intel/dpt-large: a plain vision transformer, as safetensors."""
    model = _dpt(DPTConfig(**_SHARED, reassemble_factors=[4, 2, 1, 0.5]), 900)
    model.save_pretrained(dest, state_dict=_published(model))
    _write_processor(dest, {"height": DEPTH_IMAGE_SIZE, "width": DEPTH_IMAGE_SIZE})
    return dest


def build_midas(dest: Path) -> Path:
    """Imitate Intel/dpt-hybrid-midas: a vision transformer behind a BiT backbone, pickled, with an old processor."""
    backbone = {
        "model_type": "bit",
        "global_padding": "same",
        "layer_type": "bottleneck",
        "depths": [1, 1, 1],
        "out_features": ["stage1", "stage2", "stage3"],
        "embedding_dynamic_padding": True,
        "embedding_size": 8,
        "hidden_sizes": [16, 32, 64],
        "num_groups": 4,
    }
    config = DPTConfig(
        **_SHARED,
        is_hybrid=True,
        backbone_config=backbone,
        backbone_featmap_shape=[1, 64, DEPTH_IMAGE_SIZE // 16, DEPTH_IMAGE_SIZE // 16],
        neck_ignore_stages=[0, 1],
        reassemble_factors=[1, 1, 1, 0.5],
    )
    model = _dpt(config, 901)
    config.save_pretrained(dest)
    torch.save(_published(model), dest / "pytorch_model.bin")
    _write_processor(dest, DEPTH_IMAGE_SIZE)
    return dest


_SHARED: dict[str, Any] = {
    "readout_type": "project",
    "image_size": DEPTH_IMAGE_SIZE,
    "patch_size": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "backbone_out_indices": [0, 1, 2, 3],
    "neck_hidden_sizes": [16, 32, 32, 32],
    "fusion_hidden_size": 16,
    "use_auxiliary_head": False,
}


def _dpt(config: DPTConfig, seed: int) -> DPTForDepthEstimation:
    model = DPTForDepthEstimation(config)
    fill(model, seed)
    with torch.no_grad():
        # The last layer is a ReLU: keep it above zero, or the whole map may be flat.
        model.get_submodule("head.head.4").bias.fill_(3.0)
    return model


def _published(model: DPTForDepthEstimation) -> dict[str, torch.Tensor]:
    """Leave out what the published weights lack: the model has it and never uses it."""
    return {name: value for name, value in model.state_dict().items() if ".layers.0.residual_layer1." not in name}


def _write_processor(dest: Path, size: int | dict[str, int]) -> None:
    """Write an image processor's config; an old one has the name of its class then, and one number for the size."""
    kind = "feature_extractor_type" if isinstance(size, int) else "image_processor_type"
    write_json(
        dest / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_resize": True,
            "ensure_multiple_of": 1,
            "image_mean": [0.5, 0.5, 0.5],
            kind: "DPTFeatureExtractor" if isinstance(size, int) else "DPTImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "keep_aspect_ratio": False,
            "resample": 2,
            "size": size,
        },
    )


def build_tiny_vae(dest: Path) -> Path:
    """Imitate madebyollin/taesd (SD 1.5, 2.1) and madebyollin/taesdxl: two sets of weights for one shape."""
    channels = (8, 8, 8, 8)
    vae = AutoencoderTiny(
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    fill(vae, 950)
    with torch.no_grad():
        # Its range is 0 to 1, with no norm that would bring the values there.
        last = vae.decoder.layers[-1]
        last.weight.mul_(0.3)
        last.bias.fill_(0.5)
    save_variants(vae, dest)
    return dest
