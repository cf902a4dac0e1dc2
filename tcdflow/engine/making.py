"""Making the pictures of one run on a pipeline that is ready for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import signature
from typing import Any

import torch

from tcdflow.engine.watch import Stopwatch, UNetWatch
from tcdflow.pipeline.device import synchronize
from tcdflow.record.made import Made
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import Animation

Step = Callable[[int, int, int], None]
"""Progress: number of the picture, steps done of it, steps in all."""


class Maker:
    """Calls a pipeline once for each picture, so that a picture does not depend on the others of its run.

    Args:
        pipe: the pipeline, with its scheduler set.
        device: where it computes.
        spec: what to make.
        arguments: of the call: prompt embeddings and input pictures.
        watch: gets the seconds of denoising and decoding.
        on_step: called after each step.
    """

    def __init__(
        self,
        pipe: Any,
        device: torch.device,
        spec: RunSpec,
        arguments: dict[str, Any],
        watch: Stopwatch,
        on_step: Step | None,
    ) -> None:
        self._pipe = pipe
        self._device = device
        self._spec = spec
        self._arguments = arguments | _common(spec, pipe)
        self._watch = watch
        self._on_step = on_step

    def make_all(self) -> tuple[list[Made], list[float]]:
        """Return the pictures and the timestep of each call of the UNet, in order."""
        unet = UNetWatch(self._pipe.unet)
        try:
            made = [self._make(number, seed, unet) for number, seed in enumerate(self._spec.sampling.seeds)]
        finally:
            timesteps = unet.close()
        return made, timesteps

    def _make(self, number: int, seed: int, unet: UNetWatch) -> Made:
        def report(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if self._on_step is not None:
                self._on_step(number, step + 1, pipe.num_timesteps)
            return {}

        where = self._device if self._spec.sampling.generator == "device" else torch.device("cpu")
        generator = torch.Generator(where).manual_seed(seed)
        start = time.perf_counter()
        output = self._pipe(**self._arguments, generator=generator, callback_on_step_end=report)
        synchronize(self._device)
        end = time.perf_counter()
        self._watch.add("denoise", unet.last_end - start)
        self._watch.add("decode", end - unet.last_end)
        if isinstance(self._spec.task, Animation):
            return Made(tuple(output.frames[0]), seed, animated=True)
        return Made((output.images[0],), seed)


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
