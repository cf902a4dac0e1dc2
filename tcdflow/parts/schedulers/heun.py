"""Heun's method on the sigma schedule (arXiv 2206.00364)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, ClipSample, KarrasSigmas, Scheduler, TimestepSpacing


@SCHEDULERS.register("heun")
class Heun(Scheduler):
    """Heun's method, of second order: all steps but the last call the denoiser twice (arXiv 2206.00364)."""

    diffusers_class = "scheduling_heun_discrete:HeunDiscreteScheduler"
    a1111_name = "Heun"

    name: Literal["heun"]
    timestep_spacing: TimestepSpacing = None
    use_karras_sigmas: KarrasSigmas = None
    clip_sample: ClipSample = None

    def denoiser_calls(self, steps: int) -> int:
        """Return how often the denoiser is called: twice a step, but once in the last."""
        return 2 * steps - 1
