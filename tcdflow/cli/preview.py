"""What ``tcdflow check`` knows of a run or sweep before it runs, as plain data for its table and its JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tcdflow.cli.files import absent_bytes, bytes_of
from tcdflow.config.composition import Composition
from tcdflow.files.artifact import Artifact
from tcdflow.files.sizes import resolve_size
from tcdflow.record.key import effect
from tcdflow.request import timings
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import order
from tcdflow.sweeps.plan import Plan

VERSION = 1
"""Of the JSON; raised when a key of it changes its meaning or goes."""


def of_run(composition: Composition) -> dict[str, Any]:
    """Return what is known of one run without its files."""
    spec = composition.spec
    return {
        "kind": "run",
        "spec": spec.model_dump(mode="json"),
        "choices": composition.choices,
        "defaults": composition.personal.plain() if composition.personal else None,
        "width": spec.width,
        "height": spec.height,
        "effective_steps": spec.effective_steps,
        "guided": spec.guided,
        "unet_calls": unet_calls([spec]),
        "sources": sources(spec),
    }


def of_plan(plan: Plan, directory: str) -> dict[str, Any]:
    """Return what is known of a planned sweep."""
    costs: list[tuple[Any, ...]] = []
    calls = 0
    runs: list[tuple[RunSpec, bool, bool]] = []
    for batch in plan.batches():
        specs = [resolve_size(plan.spec(cell), plan.artifacts(cell)) for cell in batch]
        for spec in specs:
            cost = order.costs(spec)
            changed = order.changed(costs[-1] if costs else None, cost)
            runs.append((spec, changed == "bases", changed == "LoRA stacks"))
            costs.append(cost)
        calls += unet_calls(specs)
    return {
        "kind": "sweep",
        "name": plan.name,
        "directory": directory,
        "defaults": plan.environment.get("defaults"),
        "axes": [{"keys": list(axis.keys), "values": len(axis.values)} for axis in plan.axes],
        "excluded": plan.excluded,
        "folded": plan.folded,
        "cells": [{"name": cell.name, "overrides": list(cell.overrides), "key": cell.key} for cell in plan.cells],
        "loads": order.changes(costs),
        "unet_calls": calls,
        "time": time(runs),
    }


def time(runs: Iterable[tuple[RunSpec, bool, bool]]) -> dict[str, Any]:
    """Return the seconds that runs will take, by earlier ones on this machine, and of how many nothing is known."""
    listed = list(runs)
    seconds, unknown = timings.estimate(listed)
    return {"seconds": None if unknown == len(listed) else seconds, "runs": len(listed), "unknown": unknown}


def of_files(artifacts: Sequence[Artifact]) -> dict[str, Any]:
    """Return the files that a run or sweep reads, and how much of them is to be fetched."""
    files = []
    for artifact in artifacts:
        here, missing = bytes_of(artifact)
        files.append(
            {
                "role": artifact.role,
                "source": artifact.source,
                "revision": artifact.revision,
                "count": len(artifact.files),
                "bytes": here + missing,
                "missing_bytes": missing,
            }
        )
    return {"files": files, "missing_bytes": absent_bytes(artifacts)}


def unet_calls(specs: Sequence[RunSpec]) -> int:
    """Return how often the UNet is called for runs that are made together."""
    images = sum(len(spec.sampling.seeds) for spec in specs)
    return specs[0].denoiser_calls * math.ceil(images / specs[0].runtime.batch_size)


def sources(spec: RunSpec) -> dict[str, str]:
    """Return where a run's files come from, by the keys that say so."""
    return {key: text for key, text in _texts(spec.model_dump(mode="json")) if effect(key) == "files"}


def _texts(node: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name not in _CHOOSING:
                yield from _texts(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, prefix)
    elif isinstance(node, str) and node:
        yield prefix, node


_CHOOSING = ("sources", "variant")
"""Keys that choose among files, and name none that is read for sure."""
