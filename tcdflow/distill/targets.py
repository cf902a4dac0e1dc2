"""Layers of a UNet that a LoRA for few steps changes."""

from __future__ import annotations

TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"),
)
"""Ends of their names: all but the first and last layers, as public trainers have it."""
