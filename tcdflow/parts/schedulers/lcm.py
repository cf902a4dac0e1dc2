"""Multistep consistency sampling (arXiv 2310.04378), for LCM-LoRAs."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, ClipSample, DistilledSteps, RescaleBetas, Scheduler


@SCHEDULERS.register("lcm")
class LCM(Scheduler):
    """Multistep consistency sampling (arXiv 2310.04378)."""

    diffusers_class = "scheduling_lcm:LCMScheduler"
    a1111_name = "LCM"

    name: Literal["lcm"]
    rescale_betas_zero_snr: RescaleBetas = None
    clip_sample: ClipSample = None
    original_inference_steps: DistilledSteps = None

    @property
    def max_steps(self) -> int:
        """Sampling steps at which the schedule runs out."""
        return self.original_inference_steps or 50
