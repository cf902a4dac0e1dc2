"""Ancestral sampling with Euler steps (arXiv 2206.00364)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, RescaleBetas, Scheduler, TimestepSpacing


@SCHEDULERS.register("euler_ancestral")
class EulerAncestral(Scheduler):
    """Ancestral sampling with Euler steps: each adds fresh noise (arXiv 2206.00364)."""

    diffusers_class = "scheduling_euler_ancestral_discrete:EulerAncestralDiscreteScheduler"
    a1111_name = "Euler a"

    name: Literal["euler_ancestral"]
    timestep_spacing: TimestepSpacing = None
    rescale_betas_zero_snr: RescaleBetas = None
