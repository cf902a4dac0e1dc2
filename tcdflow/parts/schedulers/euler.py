"""Euler's method on the sigma schedule (arXiv 2206.00364)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, KarrasSigmas, RescaleBetas, Scheduler, TimestepSpacing


@SCHEDULERS.register("euler")
class Euler(Scheduler):
    """Euler's method on the sigma schedule (arXiv 2206.00364)."""

    diffusers_class = "scheduling_euler_discrete:EulerDiscreteScheduler"
    a1111_name = "Euler"

    name: Literal["euler"]
    timestep_spacing: TimestepSpacing = None
    rescale_betas_zero_snr: RescaleBetas = None
    use_karras_sigmas: KarrasSigmas = None
