"""A CLIP with random weights, in the files that the hub's have."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from .text import MAX_LENGTH, VOCABULARY_SIZE, write_tokenizer


def write_clip(folder: Path) -> Path:
    """Write a CLIP that tells texts and images apart, and return its folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        text = {**small, "vocab_size": VOCABULARY_SIZE, "max_position_embeddings": MAX_LENGTH, "eos_token_id": 2}
        text |= {"bos_token_id": 0, "pad_token_id": 1}
        vision = {**small, "image_size": 32, "patch_size": 8}
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
        for name, tensor in model.named_parameters():  # as it is initialised, all texts are nearly one
            if "embedding" in name or "proj" in name:
                torch.nn.init.normal_(tensor, std=0.5)
    model.save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    write_tokenizer(folder)
    return folder
