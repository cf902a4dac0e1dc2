"""Input images of runs: loaded, resized and preprocessed, once for each distinct input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from tcdflow.engine.fingerprint import fingerprint
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.opened import opened
from tcdflow.inputs.decode import decode
from tcdflow.inputs.fit import fit
from tcdflow.inputs.mask import mask
from tcdflow.spec.inputs import ImageUse, Inputs, MaskUse, Size
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

    def fitted(self, use: ImageUse) -> Image.Image:
        """Return an image as a run uses it."""
        file = self.artifacts.by_role[use.role]
        size = self.size if use.side is None else (use.side, use.side) if use.side else None
        how = replace(use, role="", fit_key=None)  # what two roles have in common is made once
        return self.cache.once((fingerprint(file), size, how), lambda: _made(file, use, size))

    def control(self, use: ImageUse, preprocessor: Preprocessor, models: Mapping[str, str]) -> Image.Image:
        """Return the control image that a preprocessor makes."""
        files = {field: self.artifacts.by_role[model] for field, model in models.items()}
        # What resizes by itself is given the image uncut and unstretched, unless a cut of its shape is asked for.
        given = replace(use, fit="none") if preprocessor.resizes and use.fit == "resize" else use

        def make() -> Image.Image:
            image = self.fitted(given)
            with opened(Artifacts.of(files.values())) as views:
                paths = {field: views.by_role[file.role].path for field, file in files.items()}
                return preprocessor(image, self.size, paths, self.cache.device)

        settings = preprocessor.model_dump_json()
        prints = tuple(fingerprint(file) for file in (self.artifacts.by_role[use.role], *files.values()))
        return self.cache.once((prints, self.size, given.fit, given.behind, settings), make)


def _made(file: Artifact, use: ImageUse, size: Size | None) -> Image.Image:
    with opened(Artifacts.of([file])) as views:
        path = views.by_role[file.role].path
        if isinstance(use, MaskUse):
            assert size is not None, "a mask has the size of the run"
            return mask(path, use, size)
        image = decode(path, use.behind).image
    return image if size is None else fit(image, *size, use.fit)
