"""UniPC, a predictor-corrector (arXiv 2302.04867)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, KarrasSigmas, RescaleBetas, Scheduler, TimestepSpacing


@SCHEDULERS.register("unipc")
class UniPC(Scheduler):
    """UniPC, a predictor-corrector of second order (arXiv 2302.04867)."""

    diffusers_class = "scheduling_unipc_multistep:UniPCMultistepScheduler"
    a1111_name = "UniPC"

    name: Literal["unipc"]
    timestep_spacing: TimestepSpacing = None
    rescale_betas_zero_snr: RescaleBetas = None
    use_karras_sigmas: KarrasSigmas = None
