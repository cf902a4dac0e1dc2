"""The objective against formulas written by hand, and against the steps of diffusers' samplers."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler, TCDScheduler

from tcdflow.distill import objective
from tcdflow.spec.types import PredictionType

KINDS: list[PredictionType] = ["epsilon", "v_prediction", "sample"]
SHAPE = (2, 4, 3, 5)


def normal(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None, None]


ALPHA, SIGMA = column(0.6, 0.28), column(0.8, 0.96)
ALPHA_S, SIGMA_S = column(0.96, 0.6), column(0.28, 0.8)


def output(kind: PredictionType, x_0: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """What a model that is always right puts out."""
    return {"epsilon": epsilon, "v_prediction": ALPHA * epsilon - SIGMA * x_0, "sample": x_0}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_prediction_leads_along_the_trajectory(kind: PredictionType) -> None:
    x_0, epsilon = normal(0), normal(1)
    x_t = objective.noised(x_0, epsilon, ALPHA, SIGMA)
    assert torch.equal(x_t, ALPHA * x_0 + SIGMA * epsilon)
    there = objective.predicted(output(kind, x_0, epsilon), x_t, ALPHA, SIGMA, kind)
    torch.testing.assert_close(there.x_0, x_0)
    torch.testing.assert_close(there.epsilon, epsilon)
    torch.testing.assert_close(objective.jump(there, ALPHA_S, SIGMA_S), ALPHA_S * x_0 + SIGMA_S * epsilon)
    torch.testing.assert_close(objective.jump(there, ALPHA, SIGMA), x_t)  # f(x, t, t) = x


def test_pure_noise_says_v() -> None:
    """At zero terminal SNR alpha is 0: v is -x_0 there, and nothing is divided by alpha."""
    x_0, epsilon, zero, one = normal(0), normal(1), column(0.0, 0.0), column(1.0, 1.0)
    there = objective.predicted(-x_0, epsilon, zero, one, "v_prediction")
    assert torch.equal(there.x_0, x_0)
    assert torch.equal(there.epsilon, epsilon)


def coefficients(cumulative: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    return cumulative[t].sqrt(), (1 - cumulative[t]).sqrt()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_jump_is_a_step_of_the_sampler_without_noise(kind: PredictionType) -> None:
    scheduler = TCDScheduler(beta_schedule="scaled_linear", prediction_type=kind)
    scheduler.set_timesteps(4)
    x, out = normal(0).float(), normal(1).float()
    for place, t in enumerate(scheduler.timesteps):
        s = scheduler.timesteps[place + 1] if place + 1 < len(scheduler.timesteps) else 0
        there = objective.predicted(out, x, *coefficients(scheduler.alphas_cumprod, int(t)), kind)
        mine = objective.jump(there, *coefficients(scheduler.alphas_cumprod, int(s)))
        theirs = scheduler.step(out, t, x, eta=0.0).prev_sample
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-5)


def test_the_teachers_step_is_one_of_ddim() -> None:
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", timestep_spacing="trailing", clip_sample=False)
    scheduler.set_timesteps(50)
    assert scheduler.timesteps[0] == 999
    x, unconditional, conditional = (normal(seed).float() for seed in range(3))
    guided = objective.guided(unconditional, conditional, torch.tensor(7.5))
    torch.testing.assert_close(guided, unconditional + 7.5 * (conditional - unconditional))
    torch.testing.assert_close(guided, conditional + 6.5 * (conditional - unconditional))  # the paper's w
    there = objective.predicted(guided, x, *coefficients(scheduler.alphas_cumprod, 999), "epsilon")
    mine = objective.jump(there, *coefficients(scheduler.alphas_cumprod, 979))
    torch.testing.assert_close(mine, scheduler.step(guided, 999, x).prev_sample, atol=2e-5, rtol=1e-5)


def test_lcm_jumps_as_its_sampler_does() -> None:
    scheduler = LCMScheduler(beta_schedule="scaled_linear")
    scheduler.set_timesteps(4)
    x, out = normal(0).float(), normal(1).float()
    for t in scheduler.timesteps:
        there = objective.predicted(out, x, *coefficients(scheduler.alphas_cumprod, int(t)), "epsilon")
        theirs = scheduler.step(out, t, x, generator=torch.Generator().manual_seed(0)).denoised
        torch.testing.assert_close(objective.to_clean(there, x, t.float()), theirs, atol=1e-5, rtol=1e-5)
    assert torch.equal(objective.to_clean(there, x, torch.tensor(0.0)), x)


def test_distances() -> None:
    one, other = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 5.0, 2.0])
    huber = sum(math.sqrt(d * d + 0.01) - 0.1 for d in (0, 3, 1)) / 3
    assert float(objective.pseudo_huber(one, other, 0.1)) == pytest.approx(huber)
    assert float(objective.squared(one, other)) == pytest.approx(10 / 3)
