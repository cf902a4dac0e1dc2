"""The order of a sweep: what is dearest to change varies slowest, and within that the user's own order holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcdflow.spec.model import RunSpec


def costs(spec: RunSpec) -> tuple[Any, ...]:
    """Return what has to be loaded or set for a run, the dearest first."""
    return (
        (spec.base.source, spec.base.config, spec.base.variant, spec.base.safety_checker),
        (spec.runtime.model_dump_json(), spec.task.name),
        tuple((name, adapter.source) for name, adapter in spec.adapters.items()),
        tuple((name, lora.source) for name, lora in spec.loras.items()),
        (spec.lora_stack.model_dump_json(), tuple(repr(lora.weight) for lora in spec.loras.values())),
        (spec.prompt, spec.negative_prompt),
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


def changes(specs: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """Count what running cells in this order costs: loads of a base, switches of adapters and LoRAs, prompts."""
    names = ("bases", "bases", "adapters", "LoRA stacks", "LoRA stacks", "prompts")
    counts = dict.fromkeys(names, 0)
    for number, parts in enumerate(specs):
        before = specs[number - 1] if number else (None,) * len(parts)
        first = next((i for i, (a, b) in enumerate(zip(parts, before, strict=True)) if a != b), None)
        if first is not None:
            counts[names[first]] += 1
    return counts
