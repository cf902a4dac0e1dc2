"""Trajectory consistency sampling (arXiv 2402.19159), for TCD-LoRAs."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, DistilledSteps, RescaleBetas, Scheduler
from tcdflow.spec.script import Lines


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

    def script(self) -> Lines:
        """Return what makes it, with what its settings mean."""
        lines = super().script()
        lines.attach.insert(
            0, "# Trajectory consistency sampling (arXiv 2402.19159): each step jumps along the trajectory."
        )
        lines.notes = {
            "num_inference_steps": "a TCD-LoRA is made for 4 to 8, and goes up to 50",
            "guidance_scale": "0 to 1 is off, as TCD-LoRAs are distilled; above 1 doubles the UNet's work",
            "eta": "gamma in the TCD paper, the noise of each step: 0 adds none, 0.3 is usual, 1 is the most",
        }
        return lines
