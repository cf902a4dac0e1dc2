"""Whether the page and tables of a sweep still say all that is to be said, so that they need not be written again."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from tcdflow import _version
from tcdflow.gallery.evaluated import FILE_NAME as EVALUATION
from tcdflow.gallery.measured import FILE_NAME as MEASURES
from tcdflow.gallery.ratings import FILE_NAME as RATINGS
from tcdflow.gallery.rows import STEM as IMAGES
from tcdflow.gallery.thumbnails import FOLDER as THUMBNAILS
from tcdflow.record.document import FILE_NAME as RECORD
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.plan import FILE_NAME as PLAN
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.results import STEM as RESULTS


def is_current(plan: Plan, directory: Path, page: Path | None) -> bool:
    """Say whether nothing was touched since the page and tables of a sweep that has ended were written.

    What was touched tells its change time, which neither copying nor unpacking sets back. The version of tcdflow that
    is installed counts too, since it is what writes them. Ratings or measures that were removed, and a page that was
    edited, are not noticed.

    Args:
        plan: of the sweep.
        directory: of the sweep.
        page: of the sweep; None if it has none.
    """
    results, images = ([directory / f"{stem}.{kind}" for kind in ("csv", "jsonl")] for stem in (RESULTS, IMAGES))
    try:
        first, *later = (_touched(path, stat.S_ISREG) for path in (*results, *images, *([page] if page else [])))
        if [first, *later] != sorted([first, *later]):  # they are written in this order
            return False
        if page and _touched(directory / THUMBNAILS) > _touched(images[0]):
            return False
        return all(_touched(path) < first for path in _read(plan, directory))
    except (OSError, ValueError):
        return False


def _read(plan: Plan, directory: Path) -> Iterator[Path]:
    """Yield what they are made of; a directory tells of files beside a record that came or went."""
    yield Path(_version.__file__)
    yield directory / PLAN
    yield from (path for name in (RATINGS, MEASURES, EVALUATION) if (path := directory / name).exists())
    for cell in plan.cells:
        where = cell_path(directory, cell)
        yield from (where, where / RECORD)


def _touched(path: Path, kind: Callable[[int], bool] = lambda mode: True) -> int:
    """Return when a file was written, replaced or changed in any other way.

    Raises:
        ValueError: if it is of another kind.
    """
    status = path.lstat()
    if not kind(status.st_mode):
        raise ValueError(f"{path} is something else")
    return status.st_ctime_ns
