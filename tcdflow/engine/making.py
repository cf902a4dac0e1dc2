"""Making pictures on a pipeline that is ready for them: one a call, or as many as the run allows to share a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch

from tcdflow.engine.soundness import DecoderWatch, flaw_of
from tcdflow.engine.watch import UNetWatch
from tcdflow.pipeline.device import synchronize
from tcdflow.record.made import Made
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import Animation

Step = Callable[[int, int, int], None]
"""Progress: number of the picture (of several in a call the first), steps done of it, steps in all."""


@dataclass(frozen=True)
class Wanted:
    """One picture to make: the seed of its noise, and its prompt's embeddings with a batch dimension of 1."""

    seed: int
    embeds: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Call:
    """One call of the pipeline: timesteps of the UNet's calls, and the seconds that each picture's share took."""

    timesteps: tuple[float, ...]
    denoise: float
    decode: float


@dataclass(frozen=True)
class Taken:
    """A picture and the call that made it."""

    made: Made
    call: Call


class Maker:
    """Calls a pipeline.

    Args:
        pipe: the pipeline, with its scheduler set.
        device: where it computes.
        spec: what the pictures have in common.
        arguments: of all calls: the input pictures.
        on_step: called after each step.
    """

    def __init__(
        self, pipe: Any, device: torch.device, spec: RunSpec, arguments: Mapping[str, Any], on_step: Step | None
    ) -> None:
        self._pipe = pipe
        self._device = device
        self._spec = spec
        self._arguments = {**arguments, **_common(spec, pipe)}
        self._on_step = on_step

    def make(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Make pictures in order, ``runtime.batch_size`` to a call."""
        size = self._spec.runtime.batch_size
        with UNetWatch(self._pipe.unet) as unet, DecoderWatch(self._pipe.vae) as decoder:
            return [
                taken
                for first in range(0, len(wanted), size)
                for taken in self._call(first, wanted[first : first + size], unet, decoder)
            ]

    def _call(self, first: int, wanted: Sequence[Wanted], unet: UNetWatch, decoder: DecoderWatch) -> Iterator[Taken]:
        def report(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if self._on_step is not None:
                self._on_step(first, step + 1, pipe.num_timesteps)
            return {}

        where = self._device if self._spec.sampling.generator == "device" else torch.device("cpu")
        generators = [torch.Generator(where).manual_seed(one.seed) for one in wanted]
        alone = len(wanted) == 1
        start = time.perf_counter()
        output = self._pipe(
            **self._arguments,
            **(wanted[0].embeds if alone else _together(wanted)),
            generator=generators[0] if alone else generators,
            callback_on_step_end=report,
        )
        synchronize(self._device)
        end = time.perf_counter()
        denoised = unet.last_end
        call = Call(unet.take(), (denoised - start) / len(wanted), (end - denoised) / len(wanted))
        finite = decoder.take(len(wanted))
        blackened = getattr(output, "nsfw_content_detected", None) or [False] * len(wanted)
        animated = isinstance(self._spec.task, Animation)
        for number, one in enumerate(wanted):
            frames = tuple(output.frames[number]) if animated else (output.images[number],)
            flaw = flaw_of(frames, finite=finite[number], blackened=blackened[number])
            yield Taken(Made(frames, one.seed, animated, flaw), call)


def _together(wanted: Sequence[Wanted]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([one.embeds[name] for one in wanted]) for name in wanted[0].embeds}


def _common(spec: RunSpec, pipe: Any) -> dict[str, Any]:
    """Return what is the same for all pictures of a run, as far as the pipeline takes it."""
    sampling, task = spec.sampling, spec.task
    arguments: dict[str, Any] = {
        "num_inference_steps": sampling.steps,
        "eta": sampling.eta,
        "guidance_scale": sampling.guidance_scale,
        "width": spec.width,
        "height": spec.height,
        "clip_skip": sampling.clip_skip,
        "callback_on_step_end_tensor_inputs": [],
    }
    if isinstance(task, Animation):
        arguments |= {"num_frames": task.num_frames, "decode_chunk_size": task.decode_chunk_size}
    # Image-to-image has no width and height: its size is that of the picture.
    known = signature(pipe.__call__).parameters
    return {name: value for name, value in arguments.items() if name in known}
