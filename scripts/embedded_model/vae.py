"""The VAE: that of ``emoji``, trained on, for images of 64 or 128 pixels with latents of 16 × 16.

For 128 pixels a level is added outside; it begins as nearly nothing but a change of size. The latents stay like those
of ``emoji``, so its UNet has a beginning, but are free to hold what those lose: colours within a subject.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from scripts.embedded_model.captions import STYLES, draw, subjects
from scripts.embedded_model.images import SIZE, Icons
from scripts.embedded_model.latents import tensor
from tcdflow import embedded

_NOISE: Final = 0.1
"""Of latents in training, as a share of theirs: a UNet's are not exact either."""

_SMALL: Final = 3e-4
"""Weight of the latents' mean square, as of a KL term: without it they grow, and the noise counts for less."""

_RATE: Final = 1e-3
_EVERY: Final = 25


def begin(size: int) -> Any:
    """Return an AutoencoderKL of 64 or 128 pixels with the weights of ``emoji``."""
    old = AutoencoderKL.from_pretrained(embedded.model_path("emoji") / "vae", torch_dtype=torch.float32)
    if size == old.config.sample_size:
        return old
    levels = len(old.config.block_out_channels) + 1
    new = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(old.config.block_out_channels[0], *old.config.block_out_channels),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=size,
        scaling_factor=old.config.scaling_factor,
        mid_block_add_attention=False,
    )
    torch.manual_seed(0)
    _outer_level(new)
    weights = {_renamed(name): value for name, value in old.state_dict().items()}
    new.load_state_dict({**new.state_dict(), **weights})
    return new


def _renamed(name: str) -> str:
    """Return where a weight of the smaller VAE stands in the larger: its levels of the encoder come one later."""
    start = "encoder.down_blocks."
    if not name.startswith(start):
        return name
    number, _, rest = name.removeprefix(start).partition(".")
    return f"{start}{int(number) + 1}.{rest}"


@torch.no_grad()
def _outer_level(vae: Any) -> None:
    """Let the added level halve and double, and change nothing else."""
    down, up, last = vae.encoder.down_blocks[0], vae.decoder.up_blocks[-2], vae.decoder.up_blocks[-1]
    for resnet in (*down.resnets, *last.resnets):
        resnet.conv2.weight.mul_(0.1)
        resnet.conv2.bias.zero_()
    for convolution, window in ((down.downsamplers[0].conv, slice(0, 2)), (up.upsamplers[0].conv, slice(1, 2))):
        convolution.weight.mul_(0.1)
        convolution.bias.zero_()
        width = window.stop - window.start
        for channel in range(convolution.weight.shape[0]):
            convolution.weight[channel, channel, window, window] += 1 / width**2


def loss(vae: Any, images: torch.Tensor, draws: torch.Generator, *, encoder: bool = True) -> torch.Tensor:
    """Return L1 + gradient L1 + MSE of the images, and a little of what keeps latents small.

    Args:
        vae: an AutoencoderKL.
        images: of shape (n, 3, size, size) in [−1, 1].
        draws: draws the noise of the latents.
        encoder: whether the encoder learns too.
    """
    with torch.set_grad_enabled(encoder):
        latents = vae.encode(images).latent_dist.mean
    noise = torch.randn(latents.shape, generator=draws) * _NOISE / vae.config.scaling_factor
    made = vae.decode(latents + noise * torch.rand((len(latents), 1, 1, 1), generator=draws)).sample
    across, along = (made - images).diff(dim=-1), (made - images).diff(dim=-2)
    edges = across.abs().mean() + along.abs().mean()
    size = _SMALL * latents.square().mean()
    total: torch.Tensor = F.l1_loss(made, images) + 0.5 * edges + F.mse_loss(made, images) + size
    return total


def train(icons: Icons, size: int, steps: int, batch: int, folder: Path, *, encoder: Path | None = None) -> None:
    """Train, or go on from ``folder/checkpoint.pt``; the VAE is left in ``folder/vae``.

    A decoder that learns alone follows no moving latents, and a UNet can learn these at the same time.

    Args:
        icons: the rendered icons.
        size: pixels of a side.
        steps: of the optimizer; the rate falls as a cosine.
        batch: images of a step.
        folder: of the checkpoint and the VAE.
        encoder: a trained VAE whose encoder stays, and whose decoder learns on alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vae, step = AutoencoderKL.from_pretrained(encoder, torch_dtype=torch.float32) if encoder else begin(size), 0
    learning = list([*vae.decoder.parameters(), *vae.post_quant_conv.parameters()] if encoder else vae.parameters())
    optimizer = torch.optim.AdamW(learning, lr=_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    if (folder / "checkpoint.pt").exists():
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        step = int(state["step"])
    losses: list[float] = []
    while step < steps:
        rng = random.Random(step)
        views = [draw(rng.choice(subjects()), rng.choice(STYLES), rng) for _ in range(batch)]
        images = tensor([icons.image(view, rng) for view in views], size)
        rate = _RATE * min(1.0, (step + 1) / 20) * (0.5 + 0.5 * float(torch.cos(torch.tensor(torch.pi * step / steps))))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        error = loss(vae, images, torch.Generator().manual_seed(step), encoder=encoder is None)
        error.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        step += 1
        losses.append(float(error.detach()))
        if step % _EVERY == 0 or step == steps:
            state = {"vae": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(state, folder / "checkpoint.tmp")
            os.replace(folder / "checkpoint.tmp", folder / "checkpoint.pt")  # noqa: PTH105
            vae.save_pretrained(folder / "vae")
            with (folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(f"{time.strftime('%H:%M:%S')} step {step} loss {sum(losses) / len(losses):.4f}\n")
            losses = []


@torch.no_grad()
def psnr(vae: Any, icons: Icons, count: int = 48) -> float:
    """Return the peak signal-to-noise ratio of images of 128 pixels, encoded and decoded, in dB.

    Args:
        vae: an AutoencoderKL; a smaller one gets the images made smaller, and its own are enlarged.
        icons: the rendered icons.
        count: of images; always the same.
    """
    rng = random.Random(7)
    views = [draw(rng.choice(subjects()), rng.choice(STYLES), rng) for _ in range(count)]
    images, size = [icons.image(view, rng) for view in views], vae.config.sample_size
    there = tensor(images, SIZE)
    made = vae.decode(vae.encode(tensor(images, size)).latent_dist.mean).sample
    error = F.mse_loss(F.interpolate(made, size=(SIZE, SIZE), mode="bilinear").clamp(-1, 1), there)
    return float(-10 * torch.log10(error / 4))
