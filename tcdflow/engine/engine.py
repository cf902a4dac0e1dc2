"""The warm engine: one pipeline that moves from run to run by the cheapest legal step.

A run on a warm engine has the bits of the same run in a fresh process: what a run changes is either set anew for each
(scheduler, generators) or undone exactly (the LoRA stack).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import torch
from PIL import Image

from tcdflow.artifacts.resolve import Artifacts
from tcdflow.engine.inputs import InputCache
from tcdflow.engine.prompts import PromptCache
from tcdflow.engine.watch import Stopwatch, UNetWatch, peak_memory
from tcdflow.pipeline import adapters, base, device, schedulers
from tcdflow.pipeline.classes import pipeline_class
from tcdflow.pipeline.loras import Attached, LoraStack, StackEntry
from tcdflow.record.made import Made
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import Animation

Step = Callable[[int, int, int], None]
"""Progress: number of the picture, steps done of it, steps in all."""


@dataclass
class Generated:
    """What a run made, of which inputs, and what was really done."""

    made: list[Made] = field(default_factory=list)
    inputs: dict[str, Image.Image] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Loaded:
    key: tuple[Any, ...]
    pipe: Any
    device: torch.device
    scheduler_config: dict[str, Any]
    stack: LoraStack
    prompts: PromptCache
    inputs: InputCache
    stack_key: tuple[Any, ...] = ()
    attached: tuple[Attached, ...] = ()


class Engine:
    """Runs specs, keeping what it has loaded.

    Args:
        reusable: keep what is needed to move on to another LoRA stack. A process that makes one run and ends
            can do without.
        on_loaded: called after a base was loaded, when the long imports are over.
    """

    def __init__(self, *, reusable: bool = True, on_loaded: Callable[[], None] | None = None) -> None:
        self._reusable = reusable
        self._on_loaded = on_loaded
        self._loaded: _Loaded | None = None
        self.bases_loaded = 0

    def run(self, spec: RunSpec, artifacts: Artifacts, on_step: Step | None = None) -> Generated:
        """Make the pictures of a spec.

        Args:
            spec: what to make.
            artifacts: its local files.
            on_step: called after each denoising step.

        Raises:
            ConfigError: if this machine or the files cannot do what the spec asks for.
        """
        watch = Stopwatch()
        loaded = self._ready(spec, artifacts, watch)
        watch.device = loaded.device
        if loaded.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(loaded.device)
        pipe = loaded.pipe
        pipe.scheduler = schedulers.make(spec.scheduler, loaded.scheduler_config)
        with watch.stage("encode"):
            arguments = dict(loaded.prompts.embeds(pipe, spec, loaded.stack_key))
        with watch.stage("inputs"):
            inputs = loaded.inputs.inputs(spec, artifacts)
            adapters.set_ip_scales(pipe, spec)
        arguments |= inputs.arguments | self._constant(spec, pipe)
        unet = UNetWatch(pipe.unet)
        result = Generated(inputs=inputs.shown)
        try:
            for number, seed in enumerate(spec.sampling.seeds):
                result.made.append(self._make(spec, loaded, arguments, seed, number, unet, watch, on_step))
        finally:
            timesteps = unet.close()
        result.execution = self._execution(spec, loaded, timesteps, watch)
        return result

    def _constant(self, spec: RunSpec, pipe: Any) -> dict[str, Any]:
        """Return what is the same for all pictures of a run, as far as the pipeline knows it."""
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
        # Image-to-image takes its size from the picture.
        known = signature(pipe.__call__).parameters
        return {name: value for name, value in arguments.items() if name in known}

    def _make(
        self,
        spec: RunSpec,
        loaded: _Loaded,
        arguments: dict[str, Any],
        seed: int,
        number: int,
        unet: UNetWatch,
        watch: Stopwatch,
        on_step: Step | None,
    ) -> Made:
        def report(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if on_step is not None:
                on_step(number, step + 1, pipe.num_timesteps)
            return {}

        where = loaded.device if spec.sampling.generator == "device" else torch.device("cpu")
        start = time.perf_counter()
        output = loaded.pipe(
            **arguments, generator=torch.Generator(where).manual_seed(seed), callback_on_step_end=report
        )
        device.synchronize(loaded.device)
        end = time.perf_counter()
        watch.add("denoise", unet.last_end - start)
        watch.add("decode", end - unet.last_end)
        if isinstance(spec.task, Animation):
            return Made(tuple(output.frames[0]), seed, animated=True)
        return Made((output.images[0],), seed)

    def _ready(self, spec: RunSpec, artifacts: Artifacts, watch: Stopwatch) -> _Loaded:
        """Move to the state that a spec needs: the base is loaded anew only if it is another one."""
        where, dtype = device.choose(spec.runtime)
        key = (_base_key(spec, artifacts), where, dtype)
        loaded = self._loaded
        if loaded is None or loaded.key != key:
            self.close()
            with watch.stage("load"):
                pipe = base.load(spec, artifacts, where, dtype)
            stack = LoraStack(pipe, restorable=self._reusable)
            loaded = self._loaded = _Loaded(
                key, pipe, where, dict(pipe.scheduler.config), stack, PromptCache(), InputCache(where)
            )
            self.bases_loaded += 1
            if self._on_loaded is not None:
                self._on_loaded()
        stack_key = _stack_key(spec, artifacts)
        if loaded.stack_key != stack_key:
            with watch.stage("loras"):
                self._change_stack(loaded, spec, artifacts, stack_key)
        return loaded

    def _change_stack(self, loaded: _Loaded, spec: RunSpec, artifacts: Artifacts, key: tuple[Any, ...]) -> None:
        entries = [StackEntry(name, artifacts.lora(name).path, lora.weight) for name, lora in spec.loras.items()]
        try:
            loaded.stack.take_off()
            loaded.stack_key = ()
            loaded.attached = loaded.stack.put_on(entries, fuse=spec.lora_stack.fuse)
            loaded.stack_key = key
        except BaseException:
            self.close()
            raise

    def _execution(self, spec: RunSpec, loaded: _Loaded, timesteps: list[float], watch: Stopwatch) -> dict[str, Any]:
        pipe = loaded.pipe
        return {
            "pipeline": type(pipe).__name__,
            "scheduler": type(pipe.scheduler).__name__,
            "components": dict(_components(pipe)),
            "loras": [
                {
                    "name": found.name,
                    "modules": found.modules,
                    "weight": lora.weight,
                    "fused": spec.lora_stack.fuse,
                }
                for found, lora in zip(loaded.attached, spec.loras.values(), strict=True)
            ],
            "timesteps": timesteps[: len(timesteps) // len(spec.sampling.seeds)],
            "unet_calls": len(timesteps),
            "batch": {"size": 1},
            "seconds": {name: round(seconds, 4) for name, seconds in watch.seconds.items()},
            "peak_memory_bytes": peak_memory(loaded.device),
        }

    def environment(self, spec: RunSpec) -> dict[str, Any]:
        """Return the settings of this process that can change bits."""
        assert self._loaded is not None, "known once a run was made"
        where = self._loaded.device
        return {
            "device": str(where),
            "device_name": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
            "threads": torch.get_num_threads(),
            "attention": sorted({type(p).__name__ for p in self._loaded.pipe.unet.attn_processors.values()}),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "tf32": torch.backends.cuda.matmul.allow_tf32,
        }

    def close(self) -> None:
        """Let go of the pipeline and its memory."""
        if self._loaded is not None:
            self._loaded = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _base_key(spec: RunSpec, artifacts: Artifacts) -> tuple[Any, ...]:
    config = artifacts.base_config
    return (
        pipeline_class(spec).__name__,
        artifacts.base.path,
        artifacts.base.files,
        config and config.path,
        spec.base.safety_checker,
        tuple((name, artifacts.by_role[f"adapters.{name}"].path) for name in spec.adapters),
    )


def _stack_key(spec: RunSpec, artifacts: Artifacts) -> tuple[Any, ...]:
    if not spec.loras:
        return ()
    entries = tuple((name, artifacts.lora(name).path, repr(lora.weight)) for name, lora in spec.loras.items())
    return (entries, spec.lora_stack.fuse)


def _components(pipe: Any) -> Iterator[tuple[str, dict[str, str]]]:
    for name, component in pipe.components.items():
        if isinstance(component, torch.nn.Module):
            parameter = next(component.parameters())
            yield (
                name,
                {
                    "class": type(component).__name__,
                    "dtype": str(parameter.dtype).removeprefix("torch."),
                    "device": str(parameter.device),
                },
            )
