"""The model card of a LoRA: what it is for, what it was made from and with, how it went. As data, never as code."""

from __future__ import annotations

import json
from typing import Any

from tcdflow.distill.export import FILE as WEIGHTS
from tcdflow.distill.record import DistillRecord
from tcdflow.spec.distill import DistillSpec
from tcdflow.text import one_line, unsigned

FILE = "README.md"


def text(record: DistillRecord, spec: DistillSpec) -> str:
    """Return the card as Markdown, with the hub's metadata at the top.

    Args:
        record: with the execution so far.
        spec: the settings.
    """
    distill, base = spec.distill, spec.base
    source = one_line(unsigned(base.source))
    head = {"library_name": "diffusers", "tags": ["lora", "text-to-image", "few-step", distill.method]}
    if base.source.count("/") == 1 and not base.source.startswith((".", "/", "~")):
        head["base_model"] = source
    losses, seconds = record.execution.get("losses", {}), record.execution.get("seconds", {})
    low, high = distill.guidance
    rows = {
        "base": source,
        "method": f"{distill.method}, grid of {distill.grid} timesteps",
        "steps": f"{record.execution['steps']} of {distill.steps}, {distill.batch} examples each",
        "guidance distilled": f"{low:g}" if low == high else f"{low:g} to {high:g}",
        "LoRA": f"rank {distill.rank}, alpha {distill.lora_alpha:g}, {record.execution['parameters']:,} parameters",
        "data": f"{record.data.examples} examples ({spec.data.kind}), SHA-256 {record.data.sha256[:16]}",
        "loss": ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in losses.items()),
        "time": ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()),
        "validation": _validation(record.execution.get("validation")),
        "made with": f"tcdflow {record.environment.get('tcdflow')}, seed {distill.seed}",
    }
    table = "\n".join(f"| {name} | {_cell(value)} |" for name, value in rows.items() if value)
    settings = json.dumps(spec.training_part(), indent=2, ensure_ascii=True)
    return "\n".join(
        [
            "---",
            *(f"{name}: {json.dumps(value)}" for name, value in head.items()),
            "---",
            f"# A LoRA for few steps, by {distill.method}",
            "",
            f"Made for the scheduler `{distill.scheduler}`, without guidance:",
            "",
            "```sh",
            f"tcdflow scheduler={distill.scheduler} 'loras=[]' loras.mine.distilled=true "
            f"loras.mine.source=lora/{WEIGHTS}",
            "```",
            "",
            "| | |",
            "|---|---|",
            table,
            "",
            "It has the rights and limits of its base and data. All settings:",
            "",
            "```json",
            settings,
            "```",
            "",
        ]
    )


def _validation(found: Any) -> str:
    """Return what the last validation says; nothing if there was none."""
    if not found:
        return ""
    distances = ", ".join(f"{value:.3f} in {steps}" for steps, value in found["latest"]["distances"].items())
    return f"difference from the teacher's images: {distances} steps; the least was after {found['best']['step']} steps"


def _cell(value: Any) -> str:
    """Return text as a table's cell, whatever it holds: code, in which nothing is markup."""
    plain = str(value).replace("`", "'").replace("|", "/")
    return f"`{one_line(plain)}`"
