"""The UNet and its text encoder, trained together on latents; a run that was stopped goes on from its checkpoint.

Epsilon prediction, min-SNR weighting with gamma 5 (arXiv 2303.09556), a warm-up, a constant rate and a linear decay
to zero, an exponential moving average of the weights, and one caption in ten left out for classifier-free guidance.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from scripts.embedded_model.latents import views
from scripts.embedded_model.tokens import LENGTH, tokenizer
from tcdflow import embedded

_DROPPED: Final = 0.1
_GAMMA: Final = 5.0
_EMA: Final = 0.998


@dataclass(frozen=True)
class Training:
    """How long and how fast.

    Attributes:
        steps: of the optimizer.
        batch: examples of a step.
        rate: the highest learning rate.
        decay: steps at the end in which the rate falls to zero.
        warmup: steps at the start in which it rises.
        every: steps between checkpoints.
    """

    steps: int
    batch: int = 48
    rate: float = 1e-3
    decay: int = 1000
    warmup: int = 50
    every: int = 100

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.rate * min(1.0, (step + 1) / self.warmup, (self.steps - step) / self.decay)


def scheduler() -> Any:
    """Return the noise schedule, that of Stable Diffusion."""
    return DDIMScheduler.from_pretrained(embedded.model_path("emoji") / "scheduler")


def text_encoder() -> Any:
    """Return the text encoder: that of ``emoji``, and random embeddings for the words that are new."""
    words = tokenizer()
    old = CLIPTextModel.from_pretrained(embedded.model_path("emoji") / "text_encoder", dtype=torch.float32)
    config = CLIPTextConfig(
        **{
            **old.config.to_dict(),
            "vocab_size": len(words),
            "max_position_embeddings": LENGTH,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        }
    )
    new = CLIPTextModel(config)
    weights = old.state_dict()
    for name, mine in new.state_dict().items():
        if name.endswith("position_embedding.weight"):
            mine[: len(weights[name])] = weights[name]
            mine[len(weights[name]) :] = weights[name][-1]
        elif name.endswith("token_embedding.weight"):
            _copy_tokens(mine, weights[name], words.get_vocab())
        elif name in weights and mine.shape == weights[name].shape:
            mine.copy_(weights[name])
    return new


def _copy_tokens(mine: torch.Tensor, theirs: torch.Tensor, vocabulary: dict[str, int]) -> None:
    from transformers import CLIPTokenizer

    known = CLIPTokenizer.from_pretrained(embedded.model_path("emoji") / "tokenizer").get_vocab()
    mine.normal_(std=float(theirs.std()), generator=torch.Generator().manual_seed(0))
    for token, number in vocabulary.items():
        if token in known:
            mine[number] = theirs[known[token]]


class Teacher(torch.nn.Module):
    """Both networks, and what one step of their training is."""

    def __init__(self) -> None:
        """Begin with the weights of ``emoji``."""
        super().__init__()
        self.unet = UNet2DConditionModel.from_pretrained(
            embedded.model_path("emoji") / "unet", torch_dtype=torch.float32
        )
        self.text = text_encoder()

    def loss(self, latents: torch.Tensor, tokens: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        """Return the weighted error of the predicted noise.

        Args:
            latents: of shape (n, channels, height, width).
            tokens: of shape (n, :data:`~scripts.embedded_model.tokens.LENGTH`).
            draws: draws noise and timesteps.
        """
        noise = torch.randn(latents.shape, generator=draws)
        times = torch.randint(0, 1000, (len(latents),), generator=draws)
        alphas = _alphas()[times]
        signal, spread = alphas.sqrt().view(-1, 1, 1, 1), (1 - alphas).sqrt().view(-1, 1, 1, 1)
        noisy = signal * latents + spread * noise
        predicted = self.unet(noisy, times, self.text(tokens)[0], return_dict=False)[0]
        ratio = alphas / (1 - alphas)
        weight = ratio.clamp(max=_GAMMA) / ratio
        loss: torch.Tensor = ((predicted - noise).square().mean((1, 2, 3)) * weight).mean()
        return loss


@cache
def _alphas() -> torch.Tensor:
    alphas: torch.Tensor = scheduler().alphas_cumprod
    return alphas


class Examples:
    """Latents, and a caption in another wording each time."""

    def __init__(self, path: Path, each: int) -> None:
        """Read what :func:`scripts.embedded_model.latents.encode` has written."""
        self._latents = torch.from_numpy(np.load(path))
        self._views = [view for view, _ in views(each)]
        self._tokenizer = tokenizer()

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the latents and tokens of a step; they depend on its number alone."""
        rng = random.Random(step)
        numbers = [rng.randrange(len(self._views)) for _ in range(size)]
        captions = ["" if rng.random() < _DROPPED else self._views[number].caption(rng) for number in numbers]
        tokens = self._tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return self._latents[numbers].float(), tokens


def train(examples: Examples, training: Training, folder: Path) -> None:
    """Train, or go on; ``folder/checkpoint.pt`` holds the state, ``folder/teacher.pt`` the averaged weights."""
    folder.mkdir(parents=True, exist_ok=True)
    teacher, average, step = Teacher(), Teacher(), 0
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=training.rate, weight_decay=0.01, betas=(0.9, 0.98))
    if (folder / "checkpoint.pt").exists():
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        teacher.load_state_dict(state["teacher"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = int(state["step"])
    losses, began = [], time.monotonic()
    while step < training.steps:
        for group in optimizer.param_groups:
            group["lr"] = training.rate_at(step)
        latents, tokens = examples.batch(step, training.batch)
        optimizer.zero_grad(set_to_none=True)
        loss = teacher.loss(latents, tokens, torch.Generator().manual_seed(step))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
        optimizer.step()
        step += 1
        _follow(average, teacher, min(_EMA, step / (step + 20)))
        losses.append(float(loss.detach()))
        if step % training.every == 0 or step == training.steps:
            state = {"teacher": teacher.state_dict(), "average": average.state_dict(), "step": step}
            _save({**state, "optimizer": optimizer.state_dict()}, folder / "checkpoint.pt")
            _save(average.state_dict(), folder / "teacher.pt")
            pace = len(losses) / (time.monotonic() - began)
            line = f"{time.strftime('%H:%M:%S')} step {step} loss {np.mean(losses):.4f} {pace:.2f} steps/s\n"
            with (folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(line)
            losses, began = [], time.monotonic()


@torch.no_grad()
def _follow(average: Teacher, teacher: Teacher, share: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(teacher.parameters()), 1 - share)


def _save(state: dict[str, Any], path: Path) -> None:
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)  # noqa: PTH105
