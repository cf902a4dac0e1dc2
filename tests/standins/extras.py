"""A tiny depth estimator and a tiny autoencoder: what stands beside the diffusion models."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from transformers import DPTConfig, DPTForDepthEstimation

from .weights import fill, save_variants, write_json

#: Edge of the images the depth estimator sees (384 in the real one).
DEPTH_IMAGE_SIZE = 64


def build_depth_estimator(dest: Path) -> Path:
    """Imitate Intel/dpt-hybrid-midas: a vision transformer behind a BiT backbone, and its image processor."""
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
        is_hybrid=True,
        backbone_config=backbone,
        backbone_featmap_shape=[1, 64, DEPTH_IMAGE_SIZE // 16, DEPTH_IMAGE_SIZE // 16],
        neck_ignore_stages=[0, 1],
        readout_type="project",
        image_size=DEPTH_IMAGE_SIZE,
        patch_size=16,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        backbone_out_indices=[0, 1, 2, 3],
        reassemble_factors=[1, 1, 1, 0.5],
        neck_hidden_sizes=[16, 32, 32, 32],
        fusion_hidden_size=16,
        use_auxiliary_head=False,
    )
    model = DPTForDepthEstimation(config)
    fill(model, 900)
    with torch.no_grad():
        # The last layer is a ReLU: keep it above zero, or the whole map may be flat.
        model.get_submodule("head.head.4").bias.fill_(3.0)
    save_variants(model, dest, (None,))
    write_json(
        dest / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "ensure_multiple_of": 1,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "DPTImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "keep_aspect_ratio": False,
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"height": DEPTH_IMAGE_SIZE, "width": DEPTH_IMAGE_SIZE},
        },
    )
    return dest


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
