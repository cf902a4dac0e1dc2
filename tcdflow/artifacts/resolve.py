"""From the sources of a spec to local files: which files each part reads, and where they are."""

from __future__ import annotations

from tcdflow.artifacts.accelerator import computes_in_half
from tcdflow.artifacts.artifact import Artifact, Artifacts
from tcdflow.artifacts.finders import Resolver, model_folder, pipeline, pipeline_config, weight_file
from tcdflow.artifacts.inputs import take_inputs
from tcdflow.errors import Problem
from tcdflow.spec.model import RunSpec

__all__ = ["Artifact", "Artifacts", "Resolver", "model_folder", "resolve", "wants_half", "weight_file"]


def resolve(spec: RunSpec, half: bool | None = None) -> Artifacts:
    """Find, and where needed download, every file that a run reads.

    Args:
        spec: the run.
        half: whether it computes in half precision, which ``base.variant=auto`` goes by; None infers it from the spec
            and the machine.

    Raises:
        ConfigError: naming each part whose source is wrong.
    """
    if half is None:
        half = wants_half(spec)
    resolver = Resolver()
    base = spec.base
    found = resolver.take("base", "base.source", base.source, lambda role, source: pipeline(role, source, base, half))
    if found and found.single:
        if base.config is None:
            what = "a single-file checkpoint needs the folder or repository it follows"
            resolver.problems.append(Problem("base.config", what))
        else:
            resolver.take("base.config", "base.config", base.config, pipeline_config)
    for name, lora in spec.loras.items():
        resolver.take(f"loras.{name}", f"loras.{name}.source", lora.source, weight_file)
    take_inputs(resolver, spec, half)
    return resolver.done()


def wants_half(spec: RunSpec) -> bool:
    """Say whether a run computes in half precision, as far as the spec and a look at the machine tell."""
    return computes_in_half(spec.runtime)
