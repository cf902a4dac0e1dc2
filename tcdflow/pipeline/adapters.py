"""ControlNets, IP-Adapters and motion adapters from their local files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.resolve import Artifact, Artifacts
from tcdflow.libraries.diffusers import quiet
from tcdflow.spec.adapters import ControlNet, IPAdapter, MotionAdapter
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import Animation
from tcdflow.text import reason


def components(spec: RunSpec, artifacts: Artifacts, dtype: torch.dtype) -> dict[str, Any]:
    """Load the adapters that are components of a pipeline.

    Returns:
        Arguments for the pipeline's constructor: ``controlnet``, ``motion_adapter`` and ``image_encoder``, as needed.

    Raises:
        ConfigError: if an adapter's files are damaged or of another kind.
    """
    found: dict[str, Any] = {}
    controlnets = [_controlnet(name, artifacts, dtype) for name in spec.adapters_of(ControlNet)]
    if controlnets:
        found["controlnet"] = controlnets[0] if len(controlnets) == 1 else controlnets
    for name in spec.adapters_of(MotionAdapter):
        found["motion_adapter"] = _motion_adapter(name, artifacts, dtype)
    encoders = [f"adapters.{name}.image_encoder" for name in spec.adapters_of(IPAdapter)]
    if encoders:
        found["image_encoder"] = _image_encoder(encoders[0], artifacts.by_role[encoders[0]], dtype)
    return found


def _controlnet(name: str, artifacts: Artifacts, dtype: torch.dtype) -> Any:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    return _load(
        f"adapters.{name}", artifacts, dtype, ControlNetModel.from_pretrained, ControlNetModel.from_single_file
    )


def _motion_adapter(name: str, artifacts: Artifacts, dtype: torch.dtype) -> Any:
    from diffusers.models.unets.unet_motion_model import MotionAdapter as Model

    return _load(f"adapters.{name}", artifacts, dtype, Model.from_pretrained, Model.from_single_file)


def _load(
    role: str, artifacts: Artifacts, dtype: torch.dtype, folder: Callable[..., Any], file: Callable[..., Any]
) -> Any:
    artifact = artifacts.by_role[role]
    with _one_line(f"{role}.source", artifact), quiet():
        if artifact.single:
            config = artifacts.by_role[f"{role}.config"].path
            return file(str(artifact.path), config=str(config), dtype=dtype, local_files_only=True)
        return folder(
            str(artifact.path), dtype=dtype, variant=artifact.variant, use_safetensors=True, local_files_only=True
        )


def _image_encoder(key: str, artifact: Artifact, dtype: torch.dtype) -> Any:
    from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

    with _one_line(key, artifact), quiet():
        return CLIPVisionModelWithProjection.from_pretrained(
            str(artifact.path), dtype=dtype, variant=artifact.variant, use_safetensors=True, local_files_only=True
        )


def attach_ip_adapters(pipe: Any, spec: RunSpec, artifacts: Artifacts) -> None:
    """Put all IP-Adapters of a spec on a pipeline that has its image encoder; diffusers takes them in one call.

    Raises:
        ConfigError: if their files are damaged or fit another base.
    """
    adapters = spec.adapters_of(IPAdapter)
    if not adapters:
        return
    files = [artifacts.by_role[f"adapters.{name}"] for name in adapters]
    with _one_line(f"adapters.{next(iter(adapters))}.source", files[0]), quiet():
        pipe.load_ip_adapter(
            [str(file.path.parent) for file in files],
            subfolder=[""] * len(files),
            weight_name=[file.path.name for file in files],
            image_encoder_folder=None,
            local_files_only=True,
        )


def set_ip_scales(pipe: Any, spec: RunSpec) -> None:
    """Give each IP-Adapter its scale."""
    scales = [adapter.scale for adapter in spec.adapters_of(IPAdapter).values()]
    if scales:
        pipe.set_ip_adapter_scale(scales)


def check_frames(pipe: Any, spec: RunSpec) -> None:
    """Refuse more frames than the motion modules have positions for; torch would speak of tensor sizes.

    Raises:
        ConfigError: naming the limit.
    """
    if isinstance(spec.task, Animation):
        most = pipe.unet.config.motion_max_seq_length
        if spec.task.num_frames > most:
            what = f"this motion adapter takes at most {most}"
            raise ConfigError([Problem("task.num_frames", what, spec.task.num_frames)])


@contextmanager
def _one_line(key: str, artifact: Artifact) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ConfigError(
            [Problem(key, f"cannot be loaded: {type(error).__name__}: {reason(error)}", artifact.source)]
        ) from error
