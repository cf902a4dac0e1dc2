"""The code of each of Ray's workers: cells of a plan, on an engine that stays warm."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.engine.collector import resume_collector, stop_collector
from tcdflow.engine.threads import set_spinning
from tcdflow.errors import TcdflowError
from tcdflow.files.hashes import sha256_file
from tcdflow.record.atomic import flushed_behind
from tcdflow.record.log import log_file
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.directory import LOG, among_others, state
from tcdflow.sweeps.files import bring
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell
from tcdflow.sweeps.worker import Worker

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine


def share_processors(threads: int) -> None:
    """Have this process compute with so many threads; to be called before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    set_spinning()


class CellMaker:
    """An actor: makes batches of a sweep's cells, one call after the other.

    Args:
        directory: of the sweep, which every machine has to see.
        sha256: of its plan.
        threads: CPU threads to compute with.
        allow_pickle: whether pickled weights may be read.
        fetch: whether the hub may be asked for files that this machine lacks.
    """

    def __init__(self, directory: str, sha256: str, threads: int, allow_pickle: bool, fetch: bool) -> None:
        share_processors(threads)
        self._directory = Path(directory)
        self._sha256 = sha256
        self._allowed = {"pickles": allow_pickle, "fetch": fetch}
        self._stopped = threading.Event()
        self._open = ExitStack()

    def ready(self) -> str | None:
        """Read the plan and have its files on this machine; say what is wrong if that cannot be done."""
        path = self._directory / plans.FILE_NAME
        try:
            same = sha256_file(path) == self._sha256
        except OSError:
            same = False
        if not same:
            return f"{path} is not there, or another: the sweep's directory has to be one that all machines share"
        self._open.enter_context(among_others(self._directory))
        plan = plans.read(self._directory).allowing(**self._allowed)
        try:
            bring(plan)
        except TcdflowError as error:
            return str(error)
        self._batches = list(plan.batches())
        self._switches = plan.switches
        worker = Worker(plan, self._directory, cache(self.engine), self._step, self._stopped.is_set)
        self._worker = self._open.enter_context(closing(worker))
        logging.captureWarnings(True)
        self._open.enter_context(log_file(self._directory / LOG))
        self._open.enter_context(flushed_behind())
        return None

    def make(self, number: int, names: Sequence[str]) -> list[Outcome]:
        """Make the cells of a batch that are left.

        To ask twice is to ask once: what was made by a call whose answer got lost is not made again.

        Args:
            number: of the batch in the plan.
            names: of the cells that are left of it.
        """
        batch = self._batches[number]
        there: list[Outcome] = []
        left: list[Cell] = []
        for cell in batch:
            if cell.name in names:
                how, record = state(self._directory, cell)
                if how == "done":
                    there.append(Outcome(cell, "done", record))
                else:
                    left.append(cell)
        try:
            return there + (self._worker.make(batch, left) if left else [])
        except KeyboardInterrupt:  # told by stop(); the record knows
            return there

    def engine(self) -> Engine:
        """Return a new engine, importing torch."""
        stop_collector()
        from tcdflow.engine.engine import Engine

        return Engine(reusable=self._switches, on_loaded=resume_collector)

    def stop(self) -> None:
        """End the present call after its next step."""
        self._stopped.set()

    def finish(self) -> None:
        """Have all that was written on the disk."""
        self._open.close()

    def _step(self, image: int, done: int, of: int) -> None:
        if self._stopped.is_set():
            raise KeyboardInterrupt
