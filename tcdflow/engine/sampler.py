"""Samples images on a prepared pipeline: one a call, or a batch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any

import torch

from tcdflow.engine.validity import DecoderWatch, invalid_reason
from tcdflow.engine.watch import DenoiserWatch
from tcdflow.inputs.mask import pasted
from tcdflow.pipeline.device import Moment, synchronize
from tcdflow.record.sample import Sample
from tcdflow.spec.inputs import Inputs
from tcdflow.spec.model import RunSpec

Step = Callable[[int, int, int], None]
"""Progress: number of the image (of several in a call the first), steps done of it, steps in all."""


Made = Callable[[int, Sample], None]
"""Told of each image once its call has ended: its number among all that are made together, and itself."""


@dataclass(frozen=True)
class SampleInput:
    """One image to make: the seed of its noise, and its prompt's embeddings with a batch dimension of 1."""

    seed: int
    embeds: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Call:
    """One call of the pipeline: timesteps of the denoiser's calls, and the seconds that each image's share took."""

    timesteps: tuple[float, ...]
    denoise: float
    decode: float


@dataclass(frozen=True)
class Sampled:
    """An image and the call that made it."""

    sample: Sample
    call: Call


class Sampler:
    """Calls a pipeline.

    Args:
        pipe: the pipeline, with its scheduler set.
        device: where it computes.
        spec: what the images have in common.
        inputs: what it is given beside the prompt.
        inference: compute in torch's inference mode, which is faster (3 % on the embedded model) and has the same bits.
        on_step: called after each step.
        on_made: called for each image.
    """

    def __init__(
        self,
        pipe: Any,
        device: torch.device,
        spec: RunSpec,
        inputs: Inputs,
        *,
        inference: bool = False,
        on_step: Step | None = None,
        on_made: Made | None = None,
    ) -> None:
        self._pipe = pipe
        self._device = device
        self._spec = spec
        self._per_image = inputs.per_image
        self._paste = inputs.paste
        # Pipelines differ in what they take: the size of image to image, for one, is that of its image.
        self._known = _parameters(type(pipe).__call__)
        settings = {name: value for name, value in _settings(spec).items() if name in self._known}
        self._arguments = {**inputs.arguments, **settings}
        self._inference = inference
        self._on_step = on_step
        self._on_made = on_made

    def make(self, wanted: Sequence[SampleInput]) -> list[Sampled]:
        """Make images in order, ``runtime.batch_size`` to a call; neighbours with longer prompts take one of their own.

        To fill up a prompt with empty chunks would make another image of it.
        """
        size = self._spec.runtime.batch_size
        calls = [wanted[first : first + size] for first in range(0, len(wanted), size)]
        calls = [list(alike) for call in calls for _, alike in itertools.groupby(call, key=_shape)]
        firsts = itertools.accumulate(map(len, calls), initial=0)
        unet = self._spec.family.denoiser(self._pipe)
        with DenoiserWatch(unet, self._device) as denoiser, DecoderWatch(self._pipe.vae) as decoder:
            made: list[Sampled] = []
            for first, call in zip(firsts, calls, strict=False):
                made += self._call(first, call, denoiser, decoder)
                if self._on_made is not None:
                    for number in range(first, len(made)):
                        self._on_made(number, made[number].sample)
            return made

    def _call(
        self, first: int, wanted: Sequence[SampleInput], denoiser: DenoiserWatch, decoder: DecoderWatch
    ) -> Iterator[Sampled]:
        where = self._device if self._spec.sampling.generator == "device" else torch.device("cpu")
        generators = [torch.Generator(where).manual_seed(one.seed) for one in wanted]
        alone = len(wanted) == 1
        start, ended = time.perf_counter(), Moment(self._device)
        denoiser.last_end.mark()
        with torch.inference_mode() if self._inference else nullcontext():
            output = self._pipe(
                **self._arguments,
                **self._repeated(len(wanted)),
                **(wanted[0].embeds if alone else _together(wanted)),
                generator=generators[0] if alone else generators,
                **self._callback(first),
            )
        ended.mark()
        synchronize(self._device)
        seconds, decode = time.perf_counter() - start, denoiser.last_end.seconds_until(ended)
        call = Call(denoiser.take(), (seconds - decode) / len(wanted), decode / len(wanted))
        finite = decoder.take(len(wanted))
        blackened = getattr(output, "nsfw_content_detected", None) or [False] * len(wanted)
        task = self._spec.task
        for number, one in enumerate(wanted):
            frames = tuple(task.frames(output, number))
            invalid = invalid_reason(frames, finite=finite[number], blackened=blackened[number])
            if self._paste is not None:
                frames = tuple(pasted(frame, self._paste) for frame in frames)
            yield Sampled(Sample(frames, one.seed, task.animated, invalid), call)

    def _callback(self, first: int) -> dict[str, Any]:
        """Return the arguments that have the pipeline report its steps: in the newer form, else in the older."""

        def report(step: int, of: int) -> None:
            if self._on_step is not None:
                self._on_step(first, step + 1, of)

        def at_end(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            report(step, pipe.num_timesteps)
            return {}

        if "callback_on_step_end" in self._known:
            return {"callback_on_step_end": at_end, "callback_on_step_end_tensor_inputs": []}
        of = self._spec.denoiser_calls
        return {"callback": lambda step, timestep, latents: report(step, of), "callback_steps": 1}

    def _repeated(self, count: int) -> dict[str, Any]:
        """Return what a batch is given once for each of its images.

        One image for all would be encoded with the noise of the first, and leave the other generators where no image
        made alone finds them.
        """

        def repeated(value: Any) -> Any:
            return [repeated(one) for one in value] if isinstance(value, list) else [value] * count

        return {name: repeated(value) if count > 1 else value for name, value in self._per_image.items()}


@lru_cache(maxsize=16)
def _parameters(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    return signature(function).parameters


def _shape(one: SampleInput) -> tuple[int, ...]:
    return tuple(size for tensor in one.embeds.values() for size in tensor.shape)


def _together(wanted: Sequence[SampleInput]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([one.embeds[name] for one in wanted]) for name in wanted[0].embeds}


def _settings(spec: RunSpec) -> dict[str, Any]:
    """Return what is the same for all images of a run."""
    sampling = spec.sampling
    return {
        "num_inference_steps": sampling.steps,
        "eta": sampling.eta,
        "guidance_scale": sampling.guidance_scale,
        "width": spec.width,
        "height": spec.height,
        "clip_skip": sampling.clip_skip,
        **spec.task.settings(),
    }
