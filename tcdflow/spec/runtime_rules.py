"""Rules of ``runtime``'s options and of merging, as far as the spec alone says.

What depends on the machine is in :func:`tcdflow.pipeline.optimizations.check`, which shares :func:`device_problems`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tcdflow.errors import Problem
from tcdflow.spec.model import LoraStackSpec, RunSpec, RuntimeSpec


def problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield each option that cannot work, and what is wrong with merging."""
    yield from _optimizations(spec.runtime)
    if spec.runtime.batch_size > 1 and spec.task.animated:
        yield Problem("runtime.batch_size", "animations are made one at a time: 1", spec.runtime.batch_size)
    if spec.runtime.device != "auto":
        yield from device_problems(spec.runtime, spec.runtime.device.partition(":")[0])
    yield from _merging(spec.lora_stack, spec)


def device_problems(runtime: RuntimeSpec, device: str) -> Iterator[Problem]:
    """Yield each option that cannot work on a type of device: cpu, cuda or mps."""
    if runtime.offload != "none" and device != "cuda":
        what = f"requires a cuda device with its own memory; it has no effect on {device}"
        yield Problem("runtime.offload", what, runtime.offload)
    if runtime.tf32 and device != "cuda":
        yield Problem("runtime.tf32", f"is a number format of cuda devices, and the device is {device}", True)
    if runtime.layerwise_casting != "none" and device == "mps":
        yield Problem("runtime.layerwise_casting", "mps has no 8-bit floats", runtime.layerwise_casting)
    compiled = runtime.compile
    if compiled and compiled.mode == "reduce-overhead" and device != "cuda":
        what = f"records cuda graphs, and the device is {device}; use default or max-autotune"
        yield Problem("runtime.compile.mode", what, compiled.mode)
    if compiled and device == "cuda" and compiled.scope == "blocks" and compiled.mode != "default":
        what = "records cuda graphs, where a block overwrites the output of the one before; use default, or scope=unet"
        yield Problem("runtime.compile.mode", what, compiled.mode)


def _optimizations(runtime: RuntimeSpec) -> Iterator[Problem]:
    compiled = runtime.compile
    if compiled is None:
        return
    if compiled.mode != "default" and compiled.backend != "inductor":
        what = f"is a mode of the inductor; backend {compiled.backend} knows only default"
        yield Problem("runtime.compile.mode", what, compiled.mode)
    if runtime.offload == "sequential":
        what = "moves single layers about, which leaves nothing whole to compile; use model or group, or compile=null"
        yield Problem("runtime.offload", what, runtime.offload)


def _merging(stack: LoraStackSpec, spec: RunSpec) -> Iterator[Problem]:
    merge = stack.merge
    if merge is None:
        return
    drops = merge.method == "ties" or merge.method.startswith("dare")
    if drops and merge.density is None:
        yield Problem("lora_stack.merge.density", f"is needed by {merge.method}: the share of values kept, such as 0.5")
    if not drops and merge.density is not None:
        yield Problem("lora_stack.merge.density", f"{merge.method} drops nothing; leave it out", merge.density)
    if drops and len(spec.loras) == 1:
        # peft quietly merges one LoRA as linear does, and would ignore the density.
        yield Problem("lora_stack.merge.method", "needs two LoRAs or more", merge.method)
    for name, lora in spec.loras.items():
        if isinstance(lora.weight, Mapping):
            what = "must be one number where the LoRAs are merged (lora_stack.merge)"
            yield Problem(f"loras.{name}.weight", what)
