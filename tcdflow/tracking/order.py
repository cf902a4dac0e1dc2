"""What the process that tells a tracker is asked and answers, as JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from tcdflow.spec.tracker import Tracking

LATE = 3
"""Exit status where it was not through in time."""


class Order(BaseModel):
    """What is to be logged, and where.

    Attributes:
        directory: of the runs.
        tracking: the trackers.
        name: of the one that is told.
        wait: seconds that it may take after the end of its input; None for no limit.
    """

    directory: Path
    tracking: Tracking
    name: str
    wait: float | None


class Failed(BaseModel):
    """What could not be logged.

    Attributes:
        path: of the run directory.
        reason: what the tracker's client says, in a line.
    """

    path: str
    reason: str


class Report(BaseModel):
    """What became of it.

    Attributes:
        logged: runs that were logged.
        failed: those that could not be.
    """

    logged: int = 0
    failed: list[Failed] = Field(default_factory=list)
