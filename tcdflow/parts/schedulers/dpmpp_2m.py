"""DPM-Solver++(2M), multistep (arXiv 2211.01095)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, KarrasSigmas, RescaleBetas, Scheduler, TimestepSpacing


@SCHEDULERS.register("dpmpp_2m")
class DPMpp2M(Scheduler):
    """DPM-Solver++(2M), multistep (arXiv 2211.01095)."""

    diffusers_class = "scheduling_dpmsolver_multistep:DPMSolverMultistepScheduler"
    a1111_name = "DPM++ 2M"

    name: Literal["dpmpp_2m"]
    timestep_spacing: TimestepSpacing = None
    rescale_betas_zero_snr: RescaleBetas = None
    use_karras_sigmas: KarrasSigmas = None
