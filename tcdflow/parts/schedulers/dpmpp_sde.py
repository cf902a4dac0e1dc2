"""DPM-Solver++ as a stochastic differential equation, singlestep (arXiv 2211.01095)."""

from __future__ import annotations

from typing import ClassVar, Literal

from tcdflow.spec.scheduler import SCHEDULERS, KarrasSigmas, Scheduler


@SCHEDULERS.register("dpmpp_sde")
class DPMppSDE(Scheduler):
    """DPM-Solver++ as a stochastic differential equation, singlestep (arXiv 2211.01095).

    diffusers' ``DPMSolverSDEScheduler`` is not used: its noise comes from a seed of its own, not from the image's.
    """

    diffusers_class = "scheduling_dpmsolver_singlestep:DPMSolverSinglestepScheduler"
    a1111_name = "DPM++ SDE"
    fixed: ClassVar = {"algorithm_type": "sde-dpmsolver++", "lower_order_final": True}

    name: Literal["dpmpp_sde"]
    use_karras_sigmas: KarrasSigmas = None
