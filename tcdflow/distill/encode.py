"""Examples as a UNet takes them: latents, text embeddings, and what SDXL is told of size and crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tcdflow.distill.cache import Tensors
from tcdflow.distill.example_file import image_file
from tcdflow.errors import RunError
from tcdflow.inputs.decode import decode
from tcdflow.pipeline import schedulers
from tcdflow.spec.data import Example
from tcdflow.spec.distill import DistillSpec
from tcdflow.text import printable

_NEGATIVE = "negative_"


class Encoder:
    """Encodes examples with the parts of a pipeline, all of it in float32.

    Args:
        pipe: the base's pipeline, with all its parts.
        spec: the distillation.
        device: where it computes.
        steps: DDIM steps of examples that the teacher samples.
        guidance_scale: of these.
    """

    def __init__(
        self, pipe: Any, spec: DistillSpec, device: torch.device, steps: int = 50, guidance_scale: float = 5.0
    ) -> None:
        self._pipe = pipe
        self._spec = spec
        self._device = device
        self._run = spec.teacher("a prompt", steps, guidance_scale)
        self._own = dict(pipe.scheduler.config)

    @torch.no_grad()
    def unconditional(self) -> Tensors:
        """Return the embeddings of no prompt, as guidance takes them, with a batch dimension of 1."""
        return {
            name.removeprefix(_NEGATIVE): embeds
            for name, embeds in self._embeds("").items()
            if name.startswith(_NEGATIVE)
        }

    @torch.no_grad()
    def examples(self, examples: Sequence[Example]) -> Tensors:
        """Return latents, embeddings and time ids of examples, each with a row for every example.

        Raises:
            RunError: naming the file or caption whose latents are NaN or Inf.
            SourceError: if an image cannot be decoded.
        """
        embeds = [self._embeds(one.caption) for one in examples]
        if all(one.image is not None for one in examples):
            encoded = [self._image(one) for one in examples]
            latents = torch.cat([latent for latent, _ in encoded])
            ids = [numbers for _, numbers in encoded]
        else:
            latents = self._sampled(examples, embeds)
            size = (self._spec.base.size, self._spec.base.size)
            ids = [self._run.family.time_ids(size, (0, 0), size) for _ in examples]
        for one, latent in zip(examples, latents, strict=True):
            if not bool(latent.isfinite().all()):
                raise RunError(
                    printable(f"data: the latents of {one.name} are NaN or Inf; leave it out, or name a base.vae")
                )
        names = [name for name in embeds[0] if not name.startswith(_NEGATIVE)]
        found = {name: torch.cat([one[name] for one in embeds]) for name in names} | {"latents": latents.float()}
        if ids[0] is not None:
            found["time_ids"] = torch.tensor(ids, dtype=torch.float32)
        return found

    def _embeds(self, caption: str) -> Tensors:
        run = self._run.model_copy(update={"prompt": caption})
        found: Tensors = self._run.family.encode(self._pipe, run, self._device, {})
        return found

    def _sampled(self, examples: Sequence[Example], embeds: Sequence[Tensors]) -> Tensor:
        run = self._run
        self._pipe.scheduler = schedulers.make(run.scheduler, self._own)
        wanted = [name for name in embeds[0] if run.guided or not name.startswith(_NEGATIVE)]
        output = self._pipe(
            **{name: torch.cat([one[name] for one in embeds]) for name in wanted},
            generator=[torch.Generator().manual_seed(one.seed) for one in examples],
            num_inference_steps=run.sampling.steps,
            guidance_scale=run.sampling.guidance_scale,
            eta=0.0,
            width=run.width,
            height=run.height,
            output_type="latent",
        )
        latents: Tensor = output.images
        return latents

    def _image(self, one: Example) -> tuple[Tensor, tuple[int, ...] | None]:
        with image_file(one) as file:
            image, original, corner = cropped(decode(file).image, self._spec.base.size)
        pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]
        vae = self._pipe.vae
        latents: Tensor = vae.encode(pixels.to(self._device)).latent_dist.mode()
        if (shift := getattr(vae.config, "shift_factor", None)) is not None:
            latents = latents - shift
        size = (image.height, image.width)
        return latents * vae.config.scaling_factor, self._run.family.time_ids(original, corner, size)


def cropped(image: Image.Image, size: int) -> tuple[Image.Image, tuple[int, int], tuple[int, int]]:
    """Return the middle of an image, its shorter side resized to ``size`` pixels.

    Returns:
        A square of ``size`` pixels; height and width of the image as it was; the crop's distance from the top and from
        the left, in pixels of the resized image. The last two are what SDXL is told.
    """
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.LANCZOS)
    return resized.crop((left, top, left + size, top + size)), (image.height, image.width), (top, left)
