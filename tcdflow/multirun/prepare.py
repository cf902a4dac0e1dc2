"""From the overrides of a sweep to what can be run, whatever drives it: the one way of check, fetch, lock and runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tcdflow.config.compose import Composer
from tcdflow.config.plugins import drive
from tcdflow.files.pins import Pins
from tcdflow.multirun.planned import PlannedSweep
from tcdflow.request.prepare import Preparer

if TYPE_CHECKING:
    from tcdflow.multirun.hydra_sweep import HydraSweep


def prepare(
    composer: Composer, overrides: Sequence[str], pins: Pins | None = None, preparer: Preparer | None = None
) -> PlannedSweep | HydraSweep:
    """Find out what is wrong with a sweep, and which files it reads, before anything is downloaded or made.

    Args:
        composer: of its cells.
        overrides: as the user wrote them.
        pins: what is known of the files, in the place of the lock file that the config names.
        preparer: finds and hashes the files of a sweep that this process makes; None: one of its own.

    Raises:
        RequestError: with what is wrong with it.
    """
    by = drive(composer, overrides)
    if by.planned:
        return PlannedSweep.prepare(composer, overrides, by, pins, preparer)
    from tcdflow.multirun.hydra_sweep import HydraSweep  # what makes its jobs' images comes with it

    return HydraSweep.prepare(composer, overrides, by, pins)
