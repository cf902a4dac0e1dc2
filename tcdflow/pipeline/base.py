"""Loading the pretrained pipeline from its local files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any

import torch

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.base_checks import check_checkpoint
from tcdflow.files.contents import check_kind, contents
from tcdflow.files.resolve import Artifacts
from tcdflow.libraries.diffusers import quiet
from tcdflow.pipeline import adapters, encoders, vaes
from tcdflow.pipeline.loading import one_line
from tcdflow.spec.model import RunSpec


def load(spec: RunSpec, artifacts: Artifacts, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the base of a spec with its adapters onto a device.

    Raises:
        ConfigError: if the files are damaged or belong to another kind of pipeline.
    """
    cls = _class(_pipeline(spec))
    parts = adapters.components(spec, artifacts, dtype) | vaes.components(artifacts, dtype)
    if artifacts.base.single:
        _check_file(spec, artifacts)
    read = _from_file if artifacts.base.single else _from_folder
    with one_line("base.source", spec.base.source, f"cannot be loaded as {cls.__name__}"), quiet():
        pipe = read(cls, artifacts, dtype, _options(cls, spec) | parts)
    pipe.set_progress_bar_config(disable=True)
    adapters.attach(pipe, spec, artifacts)
    _check_whole(pipe.components, spec)
    if not artifacts.base.single:
        encoders.check_whole(pipe.components, artifacts.base)
    return pipe.to(device)


def switch(pipe: Any, before: RunSpec, spec: RunSpec, artifacts: Artifacts, dtype: torch.dtype) -> Any:
    """Make another pipeline of one that bears no LoRAs: of the class and with the adapters that a spec asks for.

    The parts of the base are the same objects in memory, and the former pipeline is of no use any more.

    Raises:
        ConfigError: if an adapter's files are damaged or belong to another kind of base.
    """
    cls = _class(_pipeline(spec))
    adapters.detach(pipe, before)
    parts = adapters.components(spec, artifacts, dtype)
    known = signature(cls.__init__).parameters
    brought = {name for kind in before.adapters_by_kind for name in kind.components}
    shared = {name: part for name, part in pipe.components.items() if name in known and name not in brought}
    where = pipe.device
    with quiet():
        other = cls.from_pipe(pipe, dtype=dtype, **{**_options(cls, spec), **shared, **parts})
    other.set_progress_bar_config(disable=True)
    adapters.attach(other, spec, artifacts)
    _check_whole(parts, spec)
    return other.to(where)


def _check_whole(components: Mapping[str, Any], spec: RunSpec) -> None:
    """Refuse a model, just loaded, of which the weights lack a part: diffusers leaves it without values.

    Raises:
        ConfigError: naming the component and a weight.
    """
    brought = {part: next(iter(own)) for kind, own in spec.adapters_by_kind.items() for part in kind.components}
    for name, part in components.items():
        weights = part.named_parameters() if isinstance(part, torch.nn.Module) else ()
        if (lacking := next((weight for weight, tensor in weights if tensor.is_meta), None)) is not None:
            key = f"adapters.{brought[name]}" if name in brought else "base.source"
            raise ConfigError([Problem(key, f"{name}: its weights lack {lacking}, which its config.json asks for")])


def lora_loader(pipe: Any, spec: RunSpec) -> Any:
    """Return a pipeline that loads LoRAs into the components of another: itself, if diffusers gave it a loader.

    The pipelines of some adapters have none. That of a prompt alone has one, and takes the same objects.
    """
    if hasattr(pipe, "load_lora_weights"):
        return pipe
    cls = _class(spec.family.pipelines["text_to_image"])
    known = signature(cls.__init__).parameters
    parts = {name: part for name, part in pipe.components.items() if name in known}
    with quiet():
        return cls(**{**_options(cls, spec), **parts})


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


def _check_file(spec: RunSpec, artifacts: Artifacts) -> None:
    """Refuse a checkpoint that lacks a part: diffusers would take it from the layout's folder, if there.

    Raises:
        ConfigError: naming the part. Of safetensors it was found out before; this is for pickles, just converted.
    """
    found = contents(artifacts.base.path)
    try:
        check_kind("base", found)
        check_checkpoint(found, spec.base)
    except SourceError as error:
        raise ConfigError([Problem("base.source", str(error), spec.base.source)]) from None
    if found.kind == "checkpoint" and not found.has_vae and "base.vae" not in artifacts.by_role:
        raise ConfigError([Problem("base.vae", "the checkpoint holds no VAE; name one", spec.base.source)])


def _options(cls: Any, spec: RunSpec) -> dict[str, Any]:
    known = signature(cls.__init__).parameters
    return {name: value for name, value in spec.family.loading_options(spec).items() if name in known}


def _pipeline(spec: RunSpec) -> str:
    assert spec.pipeline is not None, "refused by tcdflow.spec.rules"
    return spec.pipeline


def _class(pipeline: str) -> Any:
    """Return a class of diffusers by its module and name."""
    module, name = pipeline.split(":")
    with quiet():
        return getattr(import_module(f"diffusers.pipelines.{module}"), name)
