"""Trajectory consistency sampling (arXiv 2402.19159), for TCD-LoRAs."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, DistilledSteps, RescaleBetas, Scheduler


@SCHEDULERS.register("tcd")
class TCD(Scheduler):
    """Trajectory consistency sampling (arXiv 2402.19159): ``sampling.eta`` is the paper's gamma."""

    diffusers_class = "scheduling_tcd:TCDScheduler"
    a1111_name = "TCD"
    uses_eta = True

    name: Literal["tcd"]
    rescale_betas_zero_snr: RescaleBetas = None
    original_inference_steps: DistilledSteps = None

    @property
    def max_steps(self) -> int:
        """Sampling steps at which the schedule runs out."""
        return self.original_inference_steps or 50
