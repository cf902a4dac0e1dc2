"""What a distillation takes: work, data, memory and disk, from the headers of the base's weights. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from tcdflow.distill import cache_place
from tcdflow.distill.prepare import PreparedDistillation
from tcdflow.distill.targets import TARGETS
from tcdflow.files.artifact import Artifacts
from tcdflow.files.safetensors_header import read_header
from tcdflow.text import counted, printable

_LATENT_BYTES = 4 * 4 / 64
"""Of a pixel's share of a latent: four channels of float32, an eighth of the width and height."""

_TOKENS = 77


def lines(prepared: PreparedDistillation, directory: Path | None) -> Iterator[str]:
    """Yield what is to be known before it begins.

    Args:
        prepared: the distillation.
        directory: where it writes, if it is chosen.
    """
    spec, distill = prepared.spec, prepared.spec.distill
    count = len(prepared.examples)
    trained = distill.steps * distill.batch
    low, high = distill.guidance
    rows = {
        "base": f"{spec.base.source} ({spec.base.family}, {spec.base.prediction_type})",
        "method": f"{distill.method} on a grid of {distill.grid} timesteps, guidance {low:g} to {high:g}",
        "steps": f"{distill.steps:,} of {counted(distill.batch, 'example')}, {trained / count:.1f} times each",
        "data": f"{counted(count, 'example')} ({spec.data.kind}), {_encoded(prepared)}",
        "UNet calls": f"{5 * trained:,} of one example: teacher 2, target 1, student 1 and back",
        **_validation(prepared),
        **_sizes(prepared),
        "directory": str(directory) if directory else "a new one of outputs/",
    }
    for name, text in rows.items():
        yield f"{name:<10}  {printable(text)}"


def _validation(prepared: PreparedDistillation) -> dict[str, str]:
    distill = prepared.spec.distill
    if not distill.validates:
        return {}
    wanted, count = distill.validation, len(prepared.validation)
    times = -(-distill.steps // wanted.every)
    calls = 2 * wanted.teacher_steps * count + times * sum(wanted.steps) * count
    drawn = f"{counted(count, 'prompt')} in {', '.join(map(str, wanted.steps))} steps"
    return {"validation": f"{counted(times, 'time')} {drawn}, {calls:,} UNet calls of one image"}


def _encoded(prepared: PreparedDistillation) -> str:
    there = sum(len(chunk.examples) for chunk in prepared.chunks if cache_place.of(chunk.key).is_file())
    return "all encoded already" if there == len(prepared.examples) else f"{there:,} encoded already"


def _sizes(prepared: PreparedDistillation) -> dict[str, str]:
    """Return memory and disk, where the base's weights are on this machine."""
    shapes = _unet_shapes(prepared.teacher.files)
    if not shapes:
        return {"memory": "unknown until the base is fetched"}
    distill = prepared.spec.distill
    base = sum(map(math.prod, shapes.values()))
    lora = sum(lora_parameters(shapes, distill.rank).values())
    half = distill.precision in ("float16", "bfloat16")
    # The LoRA in float32: its weights, gradients and Adam's two moments (one byte each in 8 bits).
    states = 2 if distill.optimizer == "adamw8bit" else 8
    copies = 4 if distill.ema is not None else 0
    memory = base * (2 if half else 4) + lora * (8 + states + copies)
    checkpoint = lora * (4 + states + copies)
    disk = lora * 4 * (2 if distill.kohya else 1) + checkpoint * distill.checkpoint.keep
    width = next((shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")), 0)
    encoded = len(prepared.examples) * (prepared.spec.base.size**2 * _LATENT_BYTES + 4 * _TOKENS * width)
    return {
        "LoRA": f"{lora:,} parameters, {_size(lora * 4)}; the UNet has {base:,}",
        "memory": f"{_size(memory)} and what activations take" + ("" if half else ", in float32"),
        "disk": f"{_size(disk)} in the directory, and about {_size(encoded)} of the cache for the encoded data",
    }


def lora_parameters(shapes: dict[str, tuple[int, ...]], rank: int) -> dict[str, int]:
    """Return the parameters of a LoRA by the layer that it changes.

    Args:
        shapes: of a UNet's tensors, by name.
        rank: of the LoRA.
    """
    found = {}
    for name, shape in shapes.items():
        layer = name.removesuffix(".weight")
        if layer != name and len(shape) > 1 and layer.endswith(tuple(f".{target}" for target in TARGETS)):
            out, *rest = shape
            found[layer] = rank * (math.prod(rest) + out)
    return found


def _unet_shapes(files: Artifacts) -> dict[str, tuple[int, ...]]:
    absent = {file.name for file in files.base.absent}
    names = [name for name in files.base.files if name.startswith("unet/") and name.endswith(".safetensors")]
    if absent.intersection(names):
        return {}
    return {name: shape for file in names for name, shape in read_header(files.base.root / file).shapes.items()}


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
