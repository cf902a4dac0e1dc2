"""The order of a sweep minimises reloads: base outermost, prompt innermost, then the user's own order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcdflow.spec.batch import batch_key
from tcdflow.spec.model import RunSpec


def costs(spec: RunSpec) -> tuple[Any, ...]:
    """Return what has to be loaded or set for a run, the costliest first.

    Where prompts share the UNet's calls, the rest of the sampling is dearer to change than they are.
    """
    sampling = batch_key(spec) if spec.runtime.batch_size > 1 else (spec.prompt, spec.negative_prompt)
    return (
        (spec.base.source, spec.base.config, spec.base.vae, spec.base.variant, spec.base.safety_checker),
        (spec.runtime.for_loading.model_dump_json(), spec.replaces_denoiser),
        (spec.task.name, tuple((name, adapter.source) for name, adapter in spec.adapters.items())),
        tuple((name, lora.source) for name, lora in spec.loras.items()),
        (spec.lora_stack.model_dump_json(), tuple(repr(lora.weight) for lora in spec.loras.values())),
        sampling,
    )


def by_cost(specs: Sequence[tuple[Any, ...]]) -> list[int]:
    """Return the positions of cells in the order in which they should run.

    Args:
        specs: what :func:`costs` returns of each cell, in the user's order.
    """
    ranks: list[dict[Any, int]] = [{} for _ in range(len(specs[0]) if specs else 0)]
    places = [
        tuple(rank.setdefault(part, len(rank)) for rank, part in zip(ranks, parts, strict=True)) for parts in specs
    ]
    return sorted(range(len(specs)), key=lambda number: (places[number], number))


_NAMES = ("bases", "bases", "pipelines", "LoRA stacks", "LoRA stacks", "prompts")


def changed(before: tuple[Any, ...] | None, after: tuple[Any, ...]) -> str | None:
    """Return the costliest thing to change between two cells; all of the first one has to be loaded."""
    if before is None:
        return _NAMES[0]
    return next((name for name, a, b in zip(_NAMES, before, after, strict=True) if a != b), None)


def changes(specs: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """Count what running cells in this order costs: loads of a base, switches of pipelines and LoRAs, prompts."""
    counts = dict.fromkeys(_NAMES, 0)
    before: tuple[Any, ...] | None = None
    for parts in specs:
        name = changed(before, parts)
        if name is not None:
            counts[name] += 1
        before = parts
    return counts


def batches(cells: Sequence[tuple[tuple[Any, ...], int, int]]) -> list[int | None]:
    """Return the number of each cell's batch, or None for a cell that is made alone.

    Neighbours that differ only in prompts and seeds go together, as long as all their images fit into one call.

    Args:
        cells: in the order in which they run: what :func:`costs` returns, the images, and how many of them may
            share a call.
    """
    numbers: list[int | None] = []
    room, latest, number = 0, None, -1
    for parts, images, size in cells:
        if size == 1:
            numbers.append(None)
            latest = None
            continue
        if (parts, size) != latest or images > room:
            number, room, latest = number + 1, size, (parts, size)
        room -= images
        numbers.append(number)
    return numbers
