"""The outcome of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tcdflow.record.document import Record
from tcdflow.sweeps.plan import Cell


@dataclass(frozen=True)
class Outcome:
    """The outcome of a cell.

    Attributes:
        cell: which one.
        status: ``skipped`` is done by an earlier run; ``left`` was not tried.
        record: its record, if it has one.
        reason: first line of why it failed.
        seconds: that it took now.
        attempts: times that it was tried now.
    """

    cell: Cell
    status: Literal["done", "skipped", "failed", "left"]
    record: Record | None = None
    reason: str | None = None
    seconds: float = 0.0
    attempts: int = 0
