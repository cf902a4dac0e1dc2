"""Denoising diffusion implicit models (arXiv 2010.02502)."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.scheduler import SCHEDULERS, ClipSample, RescaleBetas, Scheduler, TimestepSpacing


@SCHEDULERS.register("ddim")
class DDIM(Scheduler):
    """Denoising diffusion implicit models (arXiv 2010.02502); eta 0 is deterministic, 1 is DDPM."""

    diffusers_class = "scheduling_ddim:DDIMScheduler"
    a1111_name = "DDIM"
    uses_eta = True

    name: Literal["ddim"]
    timestep_spacing: TimestepSpacing = None
    rescale_betas_zero_snr: RescaleBetas = None
    clip_sample: ClipSample = None
