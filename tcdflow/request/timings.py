"""Timings of runs on this machine, kept so that ``tcdflow check`` can estimate others.

The memory is a small file in tcdflow's cache. Losing it costs an estimate, so nothing here ever fails a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tcdflow.files import hashes
from tcdflow.files.hashes import cache_dir
from tcdflow.record.document import Record
from tcdflow.spec.model import RunSpec

# So few that each run can afford to read and write them: a millisecond or two.
_KEPT = 7
_MAX_KINDS = 100
_MAX_BYTES = 4_000_000
_STAGES = ("call", "decode", "load", "switch")

Seen = dict[str, dict[str, list[float]]]
"""Seconds by stage, by kind of run."""


def path() -> Path:
    """Return the file."""
    return cache_dir() / "timings.json"


def read() -> Seen:
    """Return what is remembered; nothing if there is none, or the file is damaged."""
    try:
        if not path().is_file() or path().stat().st_size > _MAX_BYTES:
            return {}
        known = json.loads(path().read_text("utf-8"))
        return {
            str(kind): {stage: [float(s) for s in stages.get(stage, [])] for stage in _STAGES}
            for kind, stages in known.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def kind_of(spec: RunSpec, device: str) -> str:
    """Return what runs of one speed share. ``device`` is where it really ran: ``cpu``, ``cuda:0``, ..."""
    adapters = "+".join(sorted(adapter.kind for adapter in spec.adapters.values()))
    guided = "guided" if spec.guided else "unguided"
    loras = "fused" if spec.lora_stack.fuse or not spec.loras else f"{len(spec.loras)} unfused"
    size, batch = f"{spec.width}x{spec.height}", str(spec.runtime.batch_size)
    kind = (device, spec.base.source, spec.task.name, adapters, size, guided, loras, spec.runtime.dtype, batch)
    return "|".join(kind)


@dataclass(frozen=True)
class Took:
    """What a run took: seconds by stage, and which kind of run it was."""

    kind: str
    seconds: Mapping[str, float]


def took(spec: RunSpec, record: Record) -> Iterator[Took]:
    """Yield what a finished run took, if it is known."""
    seconds = record.execution.get("seconds", {})
    if seconds and record.outputs:
        found = {
            "call": seconds.get("denoise", 0.0) / (len(record.outputs) * spec.effective_steps),
            "decode": seconds.get("decode", 0.0) / len(record.outputs),
            "load": seconds.get("load"),
            "switch": seconds.get("loras"),
        }
        known = {stage: round(value, 5) for stage, value in found.items() if value is not None}
        yield Took(kind_of(spec, str(record.environment.get("device"))), known)


def remember(runs: Iterable[Took]) -> None:
    """Add what finished runs took."""
    listed = list(runs)
    if not listed:
        return
    seen = read()
    for one in listed:
        stages = seen.pop(one.kind, {})  # to the end of the file: what was not seen for long is forgotten first
        seen[one.kind] = {
            stage: [*stages.get(stage, []), *([one.seconds[stage]] if stage in one.seconds else [])][-_KEPT:]
            for stage in _STAGES
        }
    hashes.remember(path(), json.dumps(dict(list(seen.items())[-_MAX_KINDS:])))


def stages_of(spec: RunSpec, seen: Seen) -> dict[str, float] | None:
    """Return the seconds of each stage of a run: medians of what such runs took, or None if none is remembered.

    Where the run's device is ``auto``, the device that such a run was last seen on counts.
    """
    wanted = kind_of(spec, spec.runtime.device)
    kind = wanted
    if spec.runtime.device == "auto":
        same = [known for known in seen if known.partition("|")[2] == wanted.partition("|")[2]]
        kind = same[-1] if same else wanted
    stages = seen.get(kind)
    if not stages or not stages["call"]:
        return None
    return {stage: median(took) if took else 0.0 for stage, took in stages.items()}


def estimate(specs: Iterable[tuple[RunSpec, bool, bool]], seen: Seen | None = None) -> tuple[float, int]:
    """Return the seconds that runs will take together, and how many of them nothing is known of.

    Args:
        specs: each run in order, whether its base is loaded for it, and whether its LoRAs are.
        seen: what is remembered; None reads it.
    """
    seen = read() if seen is None else seen
    total, unknown = 0.0, 0
    known: dict[Any, dict[str, float] | None] = {}
    for spec, loads, switches in specs:
        key = kind_of(spec, spec.runtime.device)
        if key not in known:
            known[key] = stages_of(spec, seen)
        stages = known[key]
        if stages is None:
            unknown += 1
            continue
        images = len(spec.sampling.seeds)
        total += images * (spec.effective_steps * stages["call"] + stages["decode"])
        total += stages["load"] * loads + stages["switch"] * (switches or loads)
    return total, unknown
