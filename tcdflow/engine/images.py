"""Input images of runs: loaded, resized and preprocessed, once for each distinct input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from tcdflow.engine.fingerprint import fingerprint
from tcdflow.engine.fit import fit, load
from tcdflow.files.resolve import Artifacts
from tcdflow.spec.inputs import Fit, Inputs, Size
from tcdflow.spec.model import RunSpec
from tcdflow.spec.preprocessor import Preprocessor

MAX_ENTRIES = 64


class ImageCache:
    """Remembers images by file, size and preprocessing, so that a sweep makes each of them once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._images: dict[tuple[Any, ...], Image.Image] = {}

    def inputs(self, pipe: Any, spec: RunSpec, artifacts: Artifacts) -> Inputs:
        """Return what a run's task and adapters give to its pipeline."""
        images = RunImages(self, artifacts, (spec.width, spec.height))
        found = Inputs()
        found.add(spec.task.inputs(images))
        for kind, adapters in spec.adapters_by_kind.items():
            found.add(kind.inputs(adapters, images, pipe, spec))
        return found

    def once(self, key: tuple[Any, ...], make: Callable[[], Image.Image]) -> Image.Image:
        """Return the image of a key, made at most once while it is remembered."""
        if key not in self._images:
            if len(self._images) >= MAX_ENTRIES:
                self._images.pop(next(iter(self._images)))
            self._images[key] = make()
        return self._images[key]


@dataclass(frozen=True)
class RunImages:
    """The input images of one run (:class:`tcdflow.spec.inputs.InputImages`)."""

    cache: ImageCache
    artifacts: Artifacts
    size: Size

    def fitted(self, role: str, fit_: Fit) -> Image.Image:
        """Return an image brought to the size of the run."""
        file = self.artifacts.by_role[role]
        key = (fingerprint(file), self.size, fit_)
        return self.cache.once(key, lambda: fit(load(file.path), *self.size, fit_))

    def stretched(self, role: str, side: int | None) -> Image.Image:
        """Return an image stretched to a square of so many pixels a side, or at its own size."""
        file = self.artifacts.by_role[role]

        def make() -> Image.Image:
            image = load(file.path)
            return image if side is None else fit(image, side, side, "resize")

        return self.cache.once((fingerprint(file), side), make)

    def control(self, role: str, fit_: Fit, preprocessor: Preprocessor, models: Mapping[str, str]) -> Image.Image:
        """Return the control image that a preprocessor makes."""
        files = {field: self.artifacts.by_role[model] for field, model in models.items()}
        source = self.artifacts.by_role[role]
        # What resizes by itself is given the image uncut and unstretched, unless a cut of its shape is asked for.
        given: Fit = "none" if preprocessor.resizes and fit_ == "resize" else fit_

        def make() -> Image.Image:
            paths = {field: file.path for field, file in files.items()}
            return preprocessor(self.fitted(role, given), self.size, paths, self.cache.device)

        settings = preprocessor.model_dump_json()
        prints = tuple(fingerprint(file) for file in (source, *files.values()))
        return self.cache.once((prints, self.size, given, settings), make)
