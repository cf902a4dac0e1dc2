"""Validation: what the student draws in few steps from the teacher's noise, against what the teacher draws.

It draws nothing of what training draws and changes nothing, so a distillation ends with the same LoRA without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from tcdflow.distill.cache import Tensors
from tcdflow.distill.dataset import Dataset
from tcdflow.distill.keys import PER_CHUNK
from tcdflow.distill.train import Trainer
from tcdflow.parts.metrics.sharpness import sharpness
from tcdflow.pipeline import schedulers
from tcdflow.spec.data import Example
from tcdflow.spec.distill import DistillSpec
from tcdflow.spec.scheduler import SCHEDULERS


@dataclass(frozen=True)
class Drawn:
    """What was drawn in one number of steps.

    Attributes:
        images: RGB, one a prompt.
        distances: root mean square difference of each from the teacher's image, of channels from 0 to 1.
        sharpness: of each (:mod:`tcdflow.parts.metrics.sharpness`).
    """

    images: Sequence[Image.Image]
    distances: Sequence[float]
    sharpness: Sequence[float]


@dataclass(frozen=True)
class Validated:
    """One validation.

    Attributes:
        step: of the training, that was done.
        drawn: by the number of sampling steps.
    """

    step: int
    drawn: Mapping[int, Drawn]

    @property
    def distances(self) -> dict[str, float]:
        """Mean distance by the number of sampling steps."""
        return {str(steps): round(fmean(one.distances), 6) for steps, one in self.drawn.items()}

    @property
    def sharpness(self) -> dict[str, float]:
        """Mean sharpness by the number of sampling steps."""
        return {str(steps): round(fmean(one.sharpness), 4) for steps, one in self.drawn.items()}

    @property
    def distance(self) -> float:
        """The number by which the best is kept: the mean over all."""
        return round(fmean(self.distances.values()), 6)


class Validator:
    """Validates a student.

    Args:
        spec: the distillation.
        examples: prompts and seeds.
        data: these encoded, with the teacher's latents.
        pipe: the base's pipeline, of which the decoder is kept.
        schedule: the base's scheduler config.
        accelerator: of this process.

    Attributes:
        examples: prompts and seeds.
        sha256: of the teacher's latents and the embeddings: validations are compared where it is the same.
        teacher: what the teacher draws.
    """

    def __init__(
        self,
        spec: DistillSpec,
        examples: Sequence[Example],
        data: Dataset,
        pipe: Any,
        schedule: Mapping[str, Any],
        accelerator: Accelerator,
    ) -> None:
        self.examples = examples
        self.sha256 = data.sha256
        self._spec = spec
        self._data = data
        self._vae, self._processor = pipe.vae, pipe.image_processor
        self._schedule = schedule
        self._accelerator = accelerator
        found = [self._decoded(batch["latents"]) for batch in self._batches()]
        self._pixels = [pixels for pixels, _ in found]
        images = [image for _, some in found for image in some]
        self.teacher = Drawn(images, [0.0] * len(images), [sharpness(image) for image in images])

    def __call__(self, trainer: Trainer) -> Validated:
        """Draw with what is exported."""
        with trainer.student.holding(trainer.exported):
            drawn = {steps: self._drawn(trainer, steps) for steps in self._spec.distill.validation.steps}
        return Validated(trainer.done, drawn)

    def _drawn(self, trainer: Trainer, steps: int) -> Drawn:
        images: list[Image.Image] = []
        distances: list[float] = []
        for batch, teacher in zip(self._batches(), self._pixels, strict=True):
            pixels, some = self._decoded(self._sampled(trainer, steps, batch))
            images += some
            distances += (pixels - teacher).square().mean((1, 2, 3)).sqrt().tolist()
        return Drawn(images, distances, [sharpness(image) for image in images])

    @torch.no_grad()
    def _sampled(self, trainer: Trainer, steps: int, batch: Tensors) -> Tensor:
        """Return latents, from the noise that a run of the same seed begins with."""
        distill = self._spec.distill
        scheduler = schedulers.make(SCHEDULERS[distill.scheduler](name=distill.scheduler), self._schedule)
        scheduler.set_timesteps(steps, device=self._accelerator.device)
        shape = batch["latents"].shape
        generators = [torch.Generator().manual_seed(distill.validation.seed) for _ in range(shape[0])]
        noise = [torch.randn((1, *shape[1:]), generator=generator) for generator in generators]
        x: Tensor = torch.cat(noise).to(self._accelerator.device) * scheduler.init_noise_sigma
        eta = {"eta": distill.validation.eta} if distill.scheduler == "tcd" else {}
        for t in scheduler.timesteps:
            with self._accelerator.autocast():  # not the decoder: in half precision SDXL's gives NaN
                output = trainer.loss.output(x, t.expand(shape[0]), batch)
            x = scheduler.step(output, t, x, generator=generators, return_dict=False, **eta)[0]
        return x

    @torch.no_grad()
    def _decoded(self, latents: Tensor) -> tuple[Tensor, list[Image.Image]]:
        """Return pixels from 0 to 1 on the CPU, shape ``(images, 3, height, width)``, and the same as images."""
        config = self._vae.config
        scaled = latents.to(self._accelerator.device, torch.float32) / config.scaling_factor
        scaled = scaled + (getattr(config, "shift_factor", None) or 0.0)
        pixels = [self._vae.decode(one[None], return_dict=False)[0] for one in scaled]
        found = torch.cat(pixels).float().div(2).add(0.5).clamp(0, 1).cpu()
        images: list[Image.Image] = self._processor.postprocess(found * 2 - 1, output_type="pil")
        return found, images

    def _batches(self) -> list[Tensors]:
        return [
            self._data.batch(range(start, min(start + PER_CHUNK, self._data.count)))
            for start in range(0, self._data.count, PER_CHUNK)
        ]
