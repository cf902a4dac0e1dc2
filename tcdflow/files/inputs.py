"""The files beside base and LoRAs: adapters, their encoders and preprocessors, a tiny VAE, and input images."""

from __future__ import annotations

from tcdflow.errors import Problem
from tcdflow.files.artifact import Artifact
from tcdflow.files.resolver import Resolver
from tcdflow.files.source import Source
from tcdflow.spec.adapters import ControlNet, Depth, IPAdapter
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import ImageToImage, Inpainting


def take_inputs(resolver: Resolver, spec: RunSpec) -> None:
    """Find all of them; what is wrong becomes a problem of the resolver."""
    finder = resolver.finder

    def model(role: str, source: Source, half: bool) -> Artifact:
        return finder.model_folder(role, source, half)

    def plain_model(role: str, source: Source, _: bool) -> Artifact:
        return finder.model_folder(role, source, False, None)

    def config(role: str, source: Source, _: bool) -> Artifact:
        return finder.model_config(role, source)

    if isinstance(spec.task, ImageToImage | Inpainting):
        resolver.take_image("task.image", "task.image", spec.task.image)
    if isinstance(spec.task, Inpainting):
        resolver.take_image("task.mask", "task.mask", spec.task.mask)
    for name, adapter in spec.adapters.items():
        role = f"adapters.{name}"
        if isinstance(adapter, IPAdapter):
            resolver.take_file(role, f"{role}.source", adapter.source)
            resolver.take(f"{role}.image_encoder", f"{role}.image_encoder", adapter.image_encoder, model)
            for number, image in enumerate(adapter.images):
                resolver.take_image(f"{role}.images.{number}", f"{role}.images", image)
            continue
        found = resolver.take(role, f"{role}.source", adapter.source, model)
        if found and found.single:
            if adapter.config is None:
                what = "a single weight file needs the folder or repository whose config.json it follows"
                resolver.problems.append(Problem(f"{role}.config", what))
            else:
                resolver.take(f"{role}.config", f"{role}.config", adapter.config, config)
        if isinstance(adapter, ControlNet):
            resolver.take_image(f"{role}.image", f"{role}.image", adapter.image)
            if isinstance(adapter.preprocessor, Depth):
                key = f"{role}.preprocessor"
                resolver.take(key, f"{key}.source", adapter.preprocessor.source, plain_model)
    if spec.runtime.tiny_vae is not None:
        resolver.take("runtime.tiny_vae", "runtime.tiny_vae", spec.runtime.tiny_vae, model)
