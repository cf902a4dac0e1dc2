"""DEIS, an exponential integrator (arXiv 2204.13902)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, KarrasSigmas, Scheduler, TimestepSpacing


@SCHEDULERS.register("deis")
class DEIS(Scheduler):
    """DEIS, an exponential integrator (arXiv 2204.13902)."""

    diffusers_class = "scheduling_deis_multistep:DEISMultistepScheduler"
    a1111_name = "DEIS"

    name: Literal["deis"]
    timestep_spacing: TimestepSpacing = None
    use_karras_sigmas: KarrasSigmas = None
