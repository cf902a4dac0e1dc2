"""Numbers of runs that stand beside their records: what ``tcdflow measure`` and ``tcdflow evaluate`` have left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcdflow.gallery.evaluated import with_evaluation
from tcdflow.gallery.measured import with_measures
from tcdflow.gallery.runs import Run


def with_numbers(runs: Sequence[Run], folder: Path | None) -> tuple[Sequence[Run], list[str]]:
    """Return runs with these numbers, and notes on files that cannot be read.

    Args:
        runs: in order.
        folder: of the page that shows them; None where they are of several directories.
    """
    found, notes = with_measures(runs, folder)
    if folder is None:
        return found, notes
    evaluated, unread = with_evaluation(found, folder)
    return evaluated, [*notes, *unread]
