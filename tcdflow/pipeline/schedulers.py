"""Schedulers by the names of ``conf/scheduler``, each made from the base's own scheduler config."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tcdflow.spec.model import SchedulerSpec

_CLASSES = {
    "tcd": ("scheduling_tcd", "TCDScheduler"),
    "lcm": ("scheduling_lcm", "LCMScheduler"),
    "ddim": ("scheduling_ddim", "DDIMScheduler"),
    "dpmpp_2s": ("scheduling_dpmsolver_singlestep", "DPMSolverSinglestepScheduler"),
    "dpmpp_2m": ("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler"),
    "euler": ("scheduling_euler_discrete", "EulerDiscreteScheduler"),
}
_SETTINGS = (
    "beta_schedule",
    "prediction_type",
    "timestep_spacing",
    "rescale_betas_zero_snr",
    "use_karras_sigmas",
    "clip_sample",
    "original_inference_steps",
)


def make(spec: SchedulerSpec, base_config: Mapping[str, Any]) -> Any:
    """Make a fresh scheduler.

    Args:
        spec: which one, and what to change.
        base_config: config of the scheduler that the base came with; what the spec leaves None is taken from it.
    """
    module, name = _CLASSES[spec.name]
    cls = getattr(import_module(f"diffusers.schedulers.{module}"), name)
    changes = {key: value for key in _SETTINGS if (value := getattr(spec, key)) is not None}
    return cls.from_config(dict(base_config), **changes)
