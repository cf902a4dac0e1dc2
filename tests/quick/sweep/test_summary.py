"""What a sweep leaves beside its cells is made as they come, and their records are let go."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterable

import pytest

from tcdflow.config.plugins import drive
from tcdflow.multirun import summary
from tcdflow.multirun.launcher import Process
from tcdflow.multirun.planned import Finished, PlannedSweep
from tcdflow.multirun.watcher import Watcher
from tcdflow.record.document import Record
from tcdflow.request import timings
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps.directory import state
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell
from tests.sweep.fake import Sweep

CELLS = 40
AT_WORK = 2
"""Records of the cell that is made, and of the one before."""


class Weighing(Watcher):
    """Counts the records that are in memory as each cell is told."""

    def __init__(self) -> None:
        self.seen: weakref.WeakValueDictionary[int, Record] = weakref.WeakValueDictionary()
        self.most = 0

    def cell(self, outcome: Outcome) -> None:
        assert outcome.record is not None
        self.seen[id(outcome.record)] = outcome.record
        self.most = max(self.most, len(self.seen))


def run(sweep: Sweep, watcher: Watcher) -> Finished:
    given = (f"sampling.seed=range({CELLS})", "sampling.num_images=1", f"hydra.sweep.dir={sweep.directory}")
    prepared = PlannedSweep.prepare(sweep.composer, given, drive(sweep.composer, given))
    return prepared.run(Process(sweep.engine), watcher)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(summary, "_TIMED", 4)
    return 4


def test_the_memory_of_a_sweep_holds_few_records(sweep: Sweep, few: int) -> None:
    watcher = Weighing()
    done = run(sweep, watcher)
    assert [outcome.status for outcome in done.outcomes] == ["done"] * CELLS
    assert watcher.most <= few + AT_WORK
    assert all(outcome.record is None for outcome in done.outcomes)


def test_nor_does_one_that_goes_on(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    run(sweep, Watcher())
    found: weakref.WeakValueDictionary[int, Record] = weakref.WeakValueDictionary()
    most = [0]

    def counted(directory: object, cell: Cell) -> tuple[str, Record | None]:
        how, record = state(sweep.directory, cell)
        assert record is not None
        found[id(record)] = record
        most[0] = max(most[0], len(found))
        return how, record

    monkeypatch.setattr("tcdflow.sweeps.runner.state", counted)
    gc.collect()
    done = run(sweep, Watcher())
    assert [outcome.status for outcome in done.outcomes] == ["skipped"] * CELLS
    assert most[0] <= AT_WORK
    rows = (sweep.directory / "results.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(row)["status"] for row in rows} == {"done"} and len(rows) == CELLS


def test_what_runs_take_is_learnt_from_all_over_the_sweep(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def remember(runs: Iterable[tuple[RunSpec, Record]]) -> None:
        seeds.extend(spec.sampling.seeds[0] for spec, _ in runs)

    monkeypatch.setattr(timings, "remember", remember)
    run(sweep, Watcher())
    assert seeds == [0, 10, 20, 30]
    run(sweep, Watcher())
    assert seeds == [0, 10, 20, 30]  # nothing was made
