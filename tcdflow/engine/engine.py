"""The warm engine: one pipeline that moves from run to run by the cheapest legal step.

A run on a warm engine has the bits of the same run in a fresh process: what a run changes is either set anew for each
(scheduler, generators) or undone exactly (the LoRA stack).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from tcdflow.artifacts.resolve import Artifacts
from tcdflow.engine.content import content
from tcdflow.engine.inputs import InputCache
from tcdflow.engine.making import Maker, Step
from tcdflow.engine.prompts import PromptCache
from tcdflow.engine.watch import Stopwatch, peak_memory
from tcdflow.pipeline import adapters, base, device, levers, schedulers
from tcdflow.pipeline.classes import pipeline_class
from tcdflow.pipeline.levers import Levers
from tcdflow.pipeline.loras import Attached, LoraStack, StackEntry
from tcdflow.record.made import Made
from tcdflow.spec.adapters import IPAdapter
from tcdflow.spec.model import RunSpec


@dataclass(frozen=True)
class Generated:
    """What a run made, of which inputs, and what was really done."""

    made: list[Made]
    inputs: dict[str, Image.Image]
    execution: dict[str, Any]
    environment: dict[str, Any]


@dataclass
class _Loaded:
    key: tuple[Any, ...]
    pipe: Any
    device: torch.device
    scheduler_config: dict[str, Any]
    stack: LoraStack
    levers: Levers
    prompts: PromptCache
    inputs: InputCache
    stack_key: tuple[Any, ...] | None = None
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
        with levers.computing(spec.runtime):
            return self._run(spec, artifacts, on_step)

    def _run(self, spec: RunSpec, artifacts: Artifacts, on_step: Step | None) -> Generated:
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
            adapters.check_frames(pipe, spec)
        arguments |= inputs.arguments
        maker = Maker(pipe, loaded.device, spec, arguments, watch, on_step)
        made, timesteps = maker.make_all()
        return Generated(made, inputs.shown, self._execution(spec, loaded, timesteps, watch), self._environment(loaded))

    def _ready(self, spec: RunSpec, artifacts: Artifacts, watch: Stopwatch) -> _Loaded:
        """Move to the state that a spec needs: the base is loaded anew only if it is another one."""
        where, dtype = device.choose(spec.runtime)
        levers.check(spec.runtime, where)
        key = (_base_key(spec, artifacts), where, dtype)
        stack_key = _stack_key(spec, artifacts)
        loaded = self._loaded
        if loaded is None or loaded.key != key or (loaded.stack_key != stack_key and self._is_final(loaded)):
            self.close()
            with watch.stage("load"):
                loaded = self._load(spec, artifacts, key, where, dtype)
            self._loaded = loaded
            self.bases_loaded += 1
            if self._on_loaded is not None:
                self._on_loaded()
        if loaded.stack_key != stack_key:
            with watch.stage("loras"):
                self._change_stack(loaded, spec, artifacts, stack_key)
        return loaded

    def _load(
        self, spec: RunSpec, artifacts: Artifacts, key: tuple[Any, ...], where: torch.device, dtype: torch.dtype
    ) -> _Loaded:
        home = Levers.home(spec.runtime, where)
        pipe = base.load(spec, artifacts, home, dtype)
        if spec.runtime.tiny_vae is not None:
            tiny = levers.load_tiny_vae(artifacts.by_role["runtime.tiny_vae"].path, dtype)
            pipe.register_modules(vae=tiny.to(home))
        held = Levers(pipe, spec.runtime, where, dtype)
        held.before_loras()
        stack = LoraStack(pipe, restorable=self._reusable, device=where)
        config = dict(pipe.scheduler.config)
        return _Loaded(key, pipe, where, config, stack, held, PromptCache(), InputCache(where))

    def _is_final(self, loaded: _Loaded) -> bool:
        """Say whether only loading the base anew leads to another LoRA stack."""
        return loaded.stack_key is not None and (loaded.levers.final or not self._reusable)

    def _change_stack(self, loaded: _Loaded, spec: RunSpec, artifacts: Artifacts, key: tuple[Any, ...]) -> None:
        entries = [
            StackEntry(name, artifacts.lora(name).path, lora.weight, lora.partial) for name, lora in spec.loras.items()
        ]
        try:
            if loaded.stack_key is not None:
                loaded.levers.suspend()
                loaded.stack.take_off()
            loaded.attached = loaded.stack.put_on(entries, fuse=spec.lora_stack.fuse, merge=spec.lora_stack.merge)
            loaded.levers.after_loras()
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
                    "modules_in_file": found.of,
                    "weight": spec.loras[found.name].weight,
                    "fused": loaded.stack.fused,
                }
                for found in loaded.attached
            ],
            "timesteps": timesteps[: len(timesteps) // len(spec.sampling.seeds)],
            "unet_calls": len(timesteps),
            "batch": {"size": 1},
            "seconds": {name: round(seconds, 4) for name, seconds in watch.seconds.items()},
            "peak_memory_bytes": peak_memory(loaded.device),
        }

    def _environment(self, loaded: _Loaded) -> dict[str, Any]:
        """Return the settings of this process that can change bits, as they are while it computes."""
        where = loaded.device
        return {
            "device": str(where),
            "device_name": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
            "attention": sorted({type(p).__name__ for p in loaded.pipe.unet.attn_processors.values()}),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "tf32": torch.backends.cuda.matmul.allow_tf32,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
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
    encoders = [f"adapters.{name}.image_encoder" for name in spec.adapters_of(IPAdapter)]
    return (
        pipeline_class(spec).__name__,
        content(artifacts.base),
        config and content(config),
        spec.base.safety_checker,
        spec.runtime.model_copy(update={"description": ""}),
        spec.runtime.tiny_vae and content(artifacts.by_role["runtime.tiny_vae"]),
        tuple((name, content(artifacts.by_role[f"adapters.{name}"])) for name in spec.adapters),
        tuple(content(artifacts.by_role[role]) for role in encoders),
    )


def _stack_key(spec: RunSpec, artifacts: Artifacts) -> tuple[Any, ...]:
    if not spec.loras:
        return ()
    entries = tuple((name, content(artifacts.lora(name)), repr(lora.weight)) for name, lora in spec.loras.items())
    return (entries, spec.lora_stack)


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
