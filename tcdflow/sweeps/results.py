"""``results.csv`` and ``results.jsonl``: a row a cell, with its axes, status, timings and images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tcdflow.record import table
from tcdflow.record.data import is_number
from tcdflow.record.document import FILE_NAME
from tcdflow.spec.metrics import recorded_metrics
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan

STEM = "results"
_TIMED = ("seconds", "denoise", "decode", "unet_calls")
_KEPT = ("attempts", "pictures", "picture", "pixel_sha256", "record", "reason")


class Table:
    """Both files, of what is taken cell by cell.

    Args:
        plan: of the sweep.
        directory: of the sweep.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._directory = directory
        self._keys = [key for axis in plan.axes for key in axis.keys]
        self._columns = columns(self._keys)
        self._rows: dict[str, tuple[Any, ...]] = {}

    def take(self, outcome: Outcome) -> None:
        """Make the row of a cell from its outcome, in the place of the one that it has."""
        self._rows[outcome.cell.name] = tuple(_row(self._directory, self._keys, outcome).values())

    def write(self) -> None:
        """Write both, the cells in the order in which they were first taken.

        Raises:
            OutputError: if they cannot be written.
        """
        rows = [dict(zip(self._columns, row, strict=True)) for row in self._rows.values()]
        table.write(self._directory, STEM, self._columns, rows)


def columns(keys: Sequence[str]) -> list[str]:
    """Return the names of the columns, given the keys of the axes."""
    return ["cell", "status", *keys, *_TIMED, *recorded_metrics(), *_KEPT]


def _row(directory: Path, keys: Sequence[str], outcome: Outcome) -> dict[str, Any]:
    given = {text.partition("=")[0].lstrip("+"): text.partition("=")[2] for text in outcome.cell.overrides}
    record = outcome.record
    execution = record.execution if record else {}
    seconds, metrics = _numbers(execution.get("seconds")), _numbers(execution.get("metrics"))
    counts = _numbers(execution)
    first = record.outputs[0] if record and record.outputs else None
    path = cell_path(directory, outcome.cell).relative_to(directory)
    return {
        "cell": outcome.cell.name,
        "status": "done" if outcome.status == "skipped" else outcome.status,
        **{key: _plain(outcome.cell.values.get(key, given.get(key, ""))) for key in keys},
        "seconds": round(sum(seconds.values()), 4) if seconds else None,
        "denoise": seconds.get("denoise"),
        "decode": seconds.get("decode"),
        "unet_calls": counts.get("unet_calls"),
        **{name: metrics.get(name) for name in recorded_metrics()},
        "attempts": counts.get("attempts", 1) if record and record.status == "done" else outcome.attempts or None,
        "pictures": len(record.outputs) if record else None,
        "picture": f"{path}/{first.file}" if first else None,
        "pixel_sha256": first.pixel_sha256 if first else None,
        "record": f"{path}/{FILE_NAME}" if record else None,
        "reason": outcome.reason,
    }


def _numbers(values: Any) -> dict[str, int | float]:
    """Return the numbers of a mapping in a record, which may be untrusted."""
    items = values.items() if isinstance(values, dict) else ()
    return {name: value for name, value in items if is_number(value)}


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value)
