"""Loading the pretrained pipeline from its local files."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from tcdflow.artifacts.resolve import Artifacts
from tcdflow.errors import ConfigError, Problem
from tcdflow.pipeline.noise import quiet
from tcdflow.spec.model import RunSpec


def pipeline_class(spec: RunSpec) -> Any:
    """Return the diffusers class that does what a spec asks for."""
    with quiet():
        return _class_of(spec)


def _class_of(spec: RunSpec) -> Any:
    if spec.base.family == "sdxl":
        from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import (
            StableDiffusionXLPipeline,
        )

        return StableDiffusionXLPipeline
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    return StableDiffusionPipeline


def load(spec: RunSpec, artifacts: Artifacts, device: torch.device, dtype: torch.dtype) -> DiffusionPipeline:
    """Load the base of a spec onto a device.

    Raises:
        ConfigError: if the files are damaged or belong to another kind of pipeline.
    """
    cls = pipeline_class(spec)
    read = _from_file if artifacts.base.single else _from_folder
    try:
        with quiet():
            pipe = read(cls, spec, artifacts, dtype)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())[:300]
        what = f"cannot be loaded as {cls.__name__}: {type(error).__name__}: {reason}"
        raise ConfigError([Problem("base.source", what, spec.base.source)]) from error
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def _from_folder(cls: type[DiffusionPipeline], spec: RunSpec, artifacts: Artifacts, dtype: torch.dtype) -> Any:
    return cls.from_pretrained(
        str(artifacts.base.path),
        dtype=dtype,
        variant=artifacts.base.variant,
        use_safetensors=True,
        local_files_only=True,
        **_options(spec),
    )


def _from_file(cls: type[DiffusionPipeline], spec: RunSpec, artifacts: Artifacts, dtype: torch.dtype) -> Any:
    config = artifacts.base_config
    assert config is not None, "a single file is resolved together with its layout"
    return cls.from_single_file(
        str(artifacts.base.path),
        config=str(config.path),
        dtype=dtype,
        local_files_only=True,
        **_options(spec),
    )


def _options(spec: RunSpec) -> dict[str, Any]:
    if spec.base.family == "sdxl":
        # The watermark appears or not with an unrelated package; pixels must not depend on that.
        return {"add_watermarker": False}
    return {} if spec.base.safety_checker else {"safety_checker": None, "requires_safety_checker": False}
