"""DPM-Solver++(2S), singlestep (arXiv 2211.01095)."""

from __future__ import annotations

from typing import ClassVar, Literal

from tcdflow.spec.scheduler import SCHEDULERS, KarrasSigmas, Scheduler


@SCHEDULERS.register("dpmpp_2s")
class DPMpp2S(Scheduler):
    """DPM-Solver++(2S), singlestep (arXiv 2211.01095), the TCD paper's teacher sampler."""

    diffusers_class = "scheduling_dpmsolver_singlestep:DPMSolverSinglestepScheduler"
    a1111_name = "DPM++ 2S"
    fixed: ClassVar = {"lower_order_final": True}  # what diffusers changes it to, with a warning

    name: Literal["dpmpp_2s"]
    use_karras_sigmas: KarrasSigmas = None
