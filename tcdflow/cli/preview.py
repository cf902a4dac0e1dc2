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
from tcdflow.sweeps.outcome import Outcome
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


def of_plan(plan: Plan, directory: str, before: Iterable[Outcome] = ()) -> dict[str, Any]:
    """Return what is known of a planned sweep.

    Args:
        plan: of it.
        directory: of it.
        before: what became of its cells in earlier runs of the sweep; one that is not named is left.
    """
    status = {one.cell.name: "done" if one.status == "skipped" else one.status for one in before}
    cells = [
        {"name": cell.name, "overrides": list(cell.overrides), "key": cell.key, "status": status.get(cell.name, "left")}
        for cell in plan.cells
    ]
    left = {cell["name"] for cell in cells if cell["status"] == "left"}
    batches = [(batch, [resolve_size(plan.spec(c), plan.artifacts(c)) for c in batch]) for batch in plan.batches()]
    # One cell of a batch is made in the whole of it.
    remaining = [specs for batch, specs in batches if any(cell.name in left for cell in batch)]
    return {
        "kind": "sweep",
        "name": plan.name,
        "directory": directory,
        "defaults": plan.environment.get("defaults"),
        "axes": [{"keys": list(axis.keys), "values": len(axis.values)} for axis in plan.axes],
        "excluded": plan.excluded,
        "folded": plan.folded,
        "cells": cells,
        **_work([specs for _, specs in batches]),
        "left": {"cells": len(left)} | _work(remaining),
    }


def _work(batches: Sequence[Sequence[RunSpec]]) -> dict[str, Any]:
    """Return what running batches in their order takes."""
    specs = [spec for batch in batches for spec in batch]
    costs = [order.costs(spec) for spec in specs]
    changed = [order.changed(before, cost) for before, cost in zip([None, *costs], costs, strict=False)]
    runs = [(spec, what == "bases", what == "LoRA stacks") for spec, what in zip(specs, changed, strict=True)]
    return {"loads": order.changes(costs), "unet_calls": sum(map(unet_calls, batches)), "time": time(runs)}


def time(runs: Iterable[tuple[RunSpec, bool, bool]]) -> dict[str, Any]:
    """Return the seconds that runs will take, by earlier ones on this machine, and of how many nothing is known."""
    listed = list(runs)
    seconds, unknown = timings.estimate(listed)
    return {"seconds": None if unknown and unknown == len(listed) else seconds, "runs": len(listed), "unknown": unknown}


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
