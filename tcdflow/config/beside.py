"""What a config says beside the run itself: the lock file that pins its sources, and the trackers of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from tcdflow.errors import Problem
from tcdflow.spec.problems import problems_of
from tcdflow.spec.tracker import UNTRACKED, Tracking

Origin = Callable[[str], str | None]
"""Says which override or file set a key."""

_LONGEST_PATH = 4096


def lock_of(value: Any, origin: Origin, problems: list[Problem]) -> str | None:
    """Return the lock file that a config names, if any; ``problems`` collects what is wrong."""
    if value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_PATH):
        return value
    problems.append(
        Problem("lock", "must be the path of a lock file, as tcdflow lock writes it", value, origin("lock"))
    )
    return None


def tracking_of(value: Any, origin: Origin, problems: list[Problem]) -> Tracking:
    """Return the trackers that a config chooses, all of them installed; ``problems`` collects what is wrong."""
    if not value:
        return UNTRACKED
    try:
        found = Tracking.model_validate({"tracker": value})
    except ValidationError as error:
        problems += problems_of(error, Tracking, origin)
        return UNTRACKED
    for name, one in found.tracker.items():
        if find_spec(one.package) is None:
            what = f"is not installed; pip install 'tcdflow[{one.kind}]'"
            problems.append(Problem(f"tracker.{name}", what, origin=origin(f"tracker.{name}")))
    return found
