"""Loading the pretrained pipeline from its local files."""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.resolve import Artifacts
from tcdflow.libraries.diffusers import quiet
from tcdflow.pipeline import adapters
from tcdflow.pipeline.classes import pipeline_class
from tcdflow.spec.model import RunSpec
from tcdflow.text import reason

_OF_ADAPTERS = ("controlnet", "image_encoder")
"""Components that adapters bring."""


def load(spec: RunSpec, artifacts: Artifacts, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the base of a spec with its adapters onto a device.

    Raises:
        ConfigError: if the files are damaged or belong to another kind of pipeline.
    """
    cls = pipeline_class(spec)
    parts = adapters.components(spec, artifacts, dtype)
    read = _from_file if artifacts.base.single else _from_folder
    try:
        with quiet():
            pipe = read(cls, artifacts, dtype, _options(cls, spec) | parts)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        what = f"cannot be loaded as {cls.__name__}: {type(error).__name__}: {reason(error)}"
        raise ConfigError([Problem("base.source", what, spec.base.source)]) from error
    pipe.set_progress_bar_config(disable=True)
    adapters.attach_ip_adapters(pipe, spec, artifacts)
    return pipe.to(device)


def switch(pipe: Any, spec: RunSpec, artifacts: Artifacts, dtype: torch.dtype) -> Any:
    """Make another pipeline of one that bears no LoRAs: of the class and with the adapters that a spec asks for.

    The parts of the base are the same objects in memory, and the former pipeline is of no use any more.

    Raises:
        ConfigError: if an adapter's files are damaged or belong to another kind of base.
    """
    cls = pipeline_class(spec)
    if pipe.unet.encoder_hid_proj is not None:
        pipe.unload_ip_adapter()
    parts = adapters.components(spec, artifacts, dtype)
    known = signature(cls.__init__).parameters
    shared = {name: part for name, part in pipe.components.items() if name in known and name not in _OF_ADAPTERS}
    where = pipe.device
    with quiet():
        other = cls.from_pipe(pipe, dtype=dtype, **{**_options(cls, spec), **shared, **parts})
    other.set_progress_bar_config(disable=True)
    adapters.attach_ip_adapters(other, spec, artifacts)
    return other.to(where)


def _from_folder(cls: Any, artifacts: Artifacts, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    return cls.from_pretrained(
        str(artifacts.base.path),
        dtype=dtype,
        variant=artifacts.base.variant,
        use_safetensors=True,
        local_files_only=True,
        **options,
    )


def _from_file(cls: Any, artifacts: Artifacts, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    config = artifacts.base_config
    assert config is not None, "a single file is resolved together with its layout"
    return cls.from_single_file(
        str(artifacts.base.path),
        config=str(config.path),
        dtype=dtype,
        local_files_only=True,
        **options,
    )


def _options(cls: Any, spec: RunSpec) -> dict[str, Any]:
    known = signature(cls.__init__).parameters
    # The watermark appears or not with an unrelated package; pixels must not depend on that.
    options: dict[str, Any] = {"add_watermarker": False}
    if not spec.base.safety_checker:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    return {name: value for name, value in options.items() if name in known}
