"""The objective of trajectory consistency distillation (arXiv 2402.19159) as pure functions, with the paper's names.

The trajectory is x_t = alpha_t x_0 + sigma_t epsilon. A model that predicts epsilon, v or x_0 at t can jump to any
earlier s: TCF(1) of the paper, which is one DDIM step (arXiv 2010.02502). Tensors ``alpha`` and ``sigma`` have the
shape ``(batch, 1, 1, 1)``, latents and predictions ``(batch, channels, height, width)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tcdflow.spec.types import PredictionType

SIGMA_DATA = 0.5
"""Of LCM's boundary condition, as LCMScheduler has it."""
TIMESTEP_SCALING = 10.0


class Predicted(NamedTuple):
    """What a model takes for the clean latents and the noise in x_t."""

    x_0: Tensor
    epsilon: Tensor


def predicted(output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor, kind: PredictionType) -> Predicted:
    """Return the clean latents and noise that a model's output means.

    Args:
        output: of the model at x_t.
        x_t: its input.
        alpha: of t.
        sigma: of t.
        kind: what the model predicts; with ``epsilon`` alpha is not 0, with ``sample`` sigma is not.
    """
    if kind == "epsilon":
        return Predicted((x_t - sigma * output) / alpha, output)
    if kind == "v_prediction":  # v = alpha epsilon - sigma x_0 (arXiv 2202.00512)
        return Predicted(alpha * x_t - sigma * output, alpha * output + sigma * x_t)
    return Predicted(output, (x_t - alpha * output) / sigma)


def jump(there: Predicted, alpha_s: Tensor, sigma_s: Tensor) -> Tensor:
    """Return f(x_t, t, s), the point of the trajectory at s that the prediction leads to: TCF(1), equation 10."""
    return alpha_s * there.x_0 + sigma_s * there.epsilon


def to_clean(there: Predicted, x_t: Tensor, t: Tensor) -> Tensor:
    """Return LCM's f(x_t, t): clean latents by a boundary condition that makes f(x, 0) = x (arXiv 2310.04378).

    Args:
        there: the prediction at x_t.
        x_t: the noisy latents.
        t: timesteps, of the shape of alpha.
    """
    scaled = t * TIMESTEP_SCALING
    c_skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    c_out = scaled / (scaled**2 + SIGMA_DATA**2) ** 0.5
    return c_skip * x_t + c_out * there.x_0


def guided(unconditional: Tensor, conditional: Tensor, guidance_scale: Tensor) -> Tensor:
    """Return u + g (c - u), as pipelines do; the paper's w is g - 1."""
    return unconditional + guidance_scale * (conditional - unconditional)


def noised(x_0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return x_t."""
    return alpha * x_0 + sigma * epsilon


def pseudo_huber(one: Tensor, other: Tensor, c: float) -> Tensor:
    """Return the mean of sqrt(d² + c²) - c over all elements (arXiv 2310.14189)."""
    return ((one - other) ** 2 + c**2).sqrt().sub(c).mean()


def squared(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared distance."""
    return torch.nn.functional.mse_loss(one, other)
