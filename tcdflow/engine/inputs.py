"""The images that a run is given: loaded, sized, and turned into control images, once for each distinct input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from tcdflow.conditioning.fit import fit, load
from tcdflow.engine.fingerprint import fingerprint
from tcdflow.files.resolve import Artifacts
from tcdflow.spec.adapters import Canny, ControlNet, Depth, IPAdapter
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import ImageToImage, Inpainting

MAX_ENTRIES = 64


@dataclass
class Inputs:
    """What the pipeline is given beside the prompt.

    Attributes:
        arguments: keyword arguments of the pipeline's call.
        shown: the images by name, for the run directory and its sheet.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Image.Image] = field(default_factory=dict)


class InputCache:
    """Remembers images by file, size and preprocessing, so that a sweep makes each of them once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._images: dict[tuple[Any, ...], Image.Image] = {}

    def inputs(self, spec: RunSpec, artifacts: Artifacts) -> Inputs:
        """Return the inputs of a run."""
        found = Inputs()
        task = spec.task
        if isinstance(task, ImageToImage | Inpainting):
            found.arguments["image"] = found.shown["image"] = self._fitted("task.image", task.fit, spec, artifacts)
            found.arguments["strength"] = task.strength
        if isinstance(task, Inpainting):
            found.arguments["mask_image"] = found.shown["mask"] = self._fitted("task.mask", task.fit, spec, artifacts)
        self._add_controls(found, spec, artifacts)
        self._add_references(found, spec, artifacts)
        return found

    def _add_controls(self, found: Inputs, spec: RunSpec, artifacts: Artifacts) -> None:
        controlnets = spec.adapters_of(ControlNet)
        if not controlnets:
            return
        images = {name: self._control(name, net, spec, artifacts) for name, net in controlnets.items()}
        found.shown |= {f"control_{name}": image for name, image in images.items()}
        nets = list(controlnets.values())
        lists: dict[str, list[Any]] = {
            "image" if spec.task.name == "text_to_image" else "control_image": list(images.values()),
            "controlnet_conditioning_scale": [net.scale for net in nets],
            "control_guidance_start": [net.start for net in nets],
            "control_guidance_end": [net.end for net in nets],
        }
        found.arguments |= {name: values if len(nets) > 1 else values[0] for name, values in lists.items()}

    def _add_references(self, found: Inputs, spec: RunSpec, artifacts: Artifacts) -> None:
        references: list[Any] = []
        for name, adapter in spec.adapters_of(IPAdapter).items():
            images = [
                self._reference(f"adapters.{name}.images.{number}", adapter.size, artifacts)
                for number in range(len(adapter.images))
            ]
            single = len(images) == 1
            found.shown |= {f"reference_{name}" + ("" if single else f"_{n}"): p for n, p in enumerate(images)}
            references.append(images[0] if single else images)
        if references:
            found.arguments["ip_adapter_image"] = references

    def _fitted(self, role: str, how: Any, spec: RunSpec, artifacts: Artifacts) -> Image.Image:
        file = artifacts.by_role[role]
        size = (spec.width, spec.height)
        return self._once((fingerprint(file), size, how), lambda: fit(load(file.path), *size, how))

    def _reference(self, role: str, size: int | None, artifacts: Artifacts) -> Image.Image:
        file = artifacts.by_role[role]

        def make() -> Image.Image:
            image = load(file.path)
            return fit(image, size, size, "resize") if size else image

        return self._once((fingerprint(file), size), make)

    def _control(self, name: str, net: ControlNet, spec: RunSpec, artifacts: Artifacts) -> Image.Image:
        role = f"adapters.{name}.image"
        how = net.preprocessor
        if isinstance(how, Canny):
            from tcdflow.conditioning.canny import edges  # OpenCV is slow to import

            fitted = self._fitted(role, net.fit, spec, artifacts)
            key = (fingerprint(artifacts.by_role[role]), fitted.size, net.fit, how.low, how.high)
            return self._once(key, lambda: edges(fitted, how.low, how.high))
        if isinstance(how, Depth):
            return self._depth(name, role, net, spec, artifacts)
        return self._fitted(role, net.fit, spec, artifacts)

    def _depth(self, name: str, role: str, net: ControlNet, spec: RunSpec, artifacts: Artifacts) -> Image.Image:
        file, model = artifacts.by_role[role], artifacts.by_role[f"adapters.{name}.preprocessor"]
        size = (spec.width, spec.height)

        def make() -> Image.Image:
            from tcdflow.conditioning.depth import DepthEstimator

            image = load(file.path)
            if net.fit == "crop":  # else the map is stretched, which loses less than to stretch the image
                image = fit(image, *size, net.fit)
            # float32 on every device: a depth map is made once, and half precision bands it.
            return DepthEstimator(model.path, self._device, torch.float32)(image, *size)

        return self._once((fingerprint(file), fingerprint(model), size, net.fit), make)

    def _once(self, key: tuple[Any, ...], make: Callable[[], Image.Image]) -> Image.Image:
        if key not in self._images:
            if len(self._images) >= MAX_ENTRIES:
                self._images.pop(next(iter(self._images)))
            self._images[key] = make()
        return self._images[key]
