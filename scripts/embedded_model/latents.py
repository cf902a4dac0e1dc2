"""The training images as latents, computed once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from scripts.embedded_model.captions import STYLES, View, draw, subjects
from scripts.embedded_model.images import Icons

_BATCH: Final = 32


def views(each: int) -> Iterator[tuple[View, random.Random]]:
    """Yield so many views of each subject in each style, and what draws their place; always the same."""
    for number in range(each):
        for subject in subjects():
            for style in STYLES:
                rng = random.Random(f"{subject.name}/{style}/{number}")
                yield draw(subject, style, rng), rng


def tensor(images: list[Any], size: int) -> torch.Tensor:
    """Return images of values in [0, 1] as a tensor of shape (n, 3, size, size) in [−1, 1]."""
    full = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) * 2 - 1
    return torch.nn.functional.interpolate(full, size=(size, size), mode="area")


@torch.no_grad()
def encode(vae: Any, icons: Icons, each: int, out: Path) -> None:
    """Write latents of shape (n, channels, height, width), float16 and scaled as a UNet takes them.

    Args:
        vae: an AutoencoderKL; their mean is taken.
        icons: the rendered icons.
        each: views of each subject in each style, as :func:`views` yields them.
        out: the file.
    """
    size = int(vae.config.sample_size)
    rows, batch = [], []
    for view, rng in views(each):
        batch.append(icons.image(view, rng))
        if len(batch) == _BATCH:
            rows.append(_encoded(vae, batch, size))
            batch = []
    if batch:
        rows.append(_encoded(vae, batch, size))
    np.save(out, torch.cat(rows).half().numpy())


def _encoded(vae: Any, batch: list[Any], size: int) -> torch.Tensor:
    latents: torch.Tensor = vae.encode(tensor(batch, size)).latent_dist.mean
    scaled: torch.Tensor = latents * vae.config.scaling_factor
    return scaled
