"""The adapters of a run on its pipeline, kind by kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch

from tcdflow.files.resolve import Artifacts
from tcdflow.libraries.diffusers import quiet
from tcdflow.pipeline.loading import one_line
from tcdflow.spec.adapter import Adapter
from tcdflow.spec.model import RunSpec
from tcdflow.spec.needs import Need


def models(spec: RunSpec) -> Iterator[Need]:
    """Yield the weights that adapters bring to the pipeline: not their images, and not what makes those."""
    for name, adapter in spec.adapters.items():
        preprocessor = f"adapters.{name}.preprocessor"
        for need in adapter.needs(f"adapters.{name}"):
            if need.form != "image" and not need.role.startswith(preprocessor):
                yield need


def components(spec: RunSpec, artifacts: Artifacts, dtype: torch.dtype) -> dict[str, Any]:
    """Load the components that adapters bring to the pipeline's constructor.

    Raises:
        ConfigError: if an adapter's files are damaged or of another kind.
    """
    found: dict[str, Any] = {}
    for kind, members in spec.adapters_by_kind.items():
        with _one_line(members, artifacts), quiet():
            found |= kind.load(members, artifacts.by_role, dtype)
    return found


def attach(pipe: Any, spec: RunSpec, artifacts: Artifacts) -> None:
    """Put a run's adapters on a pipeline that has their components.

    Raises:
        ConfigError: if their files are damaged or fit another base.
    """
    for kind, members in spec.adapters_by_kind.items():
        with _one_line(members, artifacts), quiet():
            kind.attach(pipe, members, artifacts.by_role)


def detach(pipe: Any, spec: RunSpec) -> None:
    """Undo :func:`attach`."""
    for kind in spec.adapters_by_kind:
        kind.detach(pipe)


def configure(pipe: Any, spec: RunSpec) -> None:
    """Set what a run may change on a pipeline with its adapters.

    Raises:
        ConfigError: if they cannot do what the run asks for.
    """
    for kind, members in spec.adapters_by_kind.items():
        kind.configure(pipe, members, spec)


def _one_line(members: dict[str, Adapter], artifacts: Artifacts) -> AbstractContextManager[None]:
    """Turn what a library raises while it loads adapters of one kind into a problem of the first of them."""
    role = f"adapters.{next(iter(members))}"
    return one_line(f"{role}.source", artifacts.by_role[role].source, "cannot be loaded")
