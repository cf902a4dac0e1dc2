"""What a sweep leaves beside its cells is made as they come, and their records are let go."""

from __future__ import annotations

import csv
import gc
import itertools
import json
import weakref
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from tcdflow.config.plugins import drive
from tcdflow.errors import RunError
from tcdflow.gallery import cells
from tcdflow.gallery.write import INDEX
from tcdflow.multirun import summary
from tcdflow.multirun.launcher import Launcher, Process
from tcdflow.multirun.planned import Finished, PlannedSweep, resume
from tcdflow.multirun.watcher import Watcher
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.request import timings
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import results
from tcdflow.sweeps.directory import state
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell
from tcdflow.sweeps.worker import Worker
from tests.standins.gallery import page_data
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

    def took(spec: RunSpec, record: Record) -> Iterable[timings.Took]:
        seeds.extend(spec.sampling.seeds)
        return ()

    monkeypatch.setattr(timings, "took", took)
    run(sweep, Watcher())
    run(sweep, Watcher())  # makes nothing
    assert seeds == [0, 10, 20, 30]


def raise_at(
    number: int, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: BaseException, *, after: bool
) -> None:
    """Raise an error once, before or after a certain call."""
    whole = getattr(owner, name)
    count = itertools.count(1)

    def call(*args: Any, **more: Any) -> Any:
        now = next(count) == number
        if now and not after:
            raise error
        result = whole(*args, **more)
        if now:
            raise error
        return result

    monkeypatch.setattr(owner, name, call)


THIRD = CELLS + 3
"""The call for the third cell that is made, of what is called for each cell as the sweep begins, too."""


def told(sweep: Sweep) -> dict[str, Counter[str]]:
    """How many cells are done or not, as the records, the table of cells, the page and the table of images have it."""
    with (sweep.directory / "images.csv").open(encoding="utf-8") as file:
        images = [row["status"] for row in csv.DictReader(file)]
    with (sweep.directory / "results.csv").open(encoding="utf-8") as file:
        rows = [row["status"] for row in csv.DictReader(file)]
    records = [json.loads(path.read_text("utf-8"))["status"] for path in sweep.directory.glob("cells/*/run.json")]
    shown = [cell["status"] for cell in page_data(sweep.directory / INDEX)["cells"]]
    found = {"records": records, "rows": rows, "images": images, "page": shown}
    return {name: Counter(status for status in statuses if status == "done") for name, statuses in found.items()}


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (cells, "of_outcome", False),
        (cells, "of_outcome", True),
        (results.Table, "take", False),
        (results.Table, "take", True),
    ],
)
def test_an_interrupt_while_a_cell_is_taken_loses_nothing(
    owner: Any, name: str, after: bool, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        raise_at(THIRD, patch, owner, name, KeyboardInterrupt(), after=after)
        with pytest.raises(KeyboardInterrupt):
            run(sweep, Watcher())
    assert set(map(str, told(sweep).values())) == {"Counter({'done': 3})"}
    assert [outcome.status for outcome in run(sweep, Watcher()).outcomes].count("skipped") == 3
    assert set(map(str, told(sweep).values())) == {f"Counter({{'done': {CELLS}}})"}


def test_an_interrupt_after_a_cell_was_made_loses_nothing(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        raise_at(3, patch, RunDirectory, "end", KeyboardInterrupt(), after=True)
        with pytest.raises(KeyboardInterrupt):
            run(sweep, Watcher())
    assert set(map(str, told(sweep).values())) == {"Counter({'done': 3})"}


def test_failures_are_told_when_those_that_are_to_be_tried_again_are_not(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.engine.fail = lambda spec: RunError("no luck") if spec.sampling.seeds == (2,) else None
    run(sweep, Watcher())
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "make", interrupted)
        with pytest.raises(KeyboardInterrupt):
            resume(
                sweep.directory,
                Launcher(),
                Process(sweep.engine),
                Watcher(),
                retry_failed=True,
                pickles=False,
                fetch=False,
            )
    rows = [json.loads(row) for row in (sweep.directory / "results.jsonl").read_text("utf-8").splitlines()]
    assert [(row["status"], row["reason"]) for row in rows if row["status"] != "done"] == [("failed", "no luck")]


def interrupted(*args: object) -> None:
    raise KeyboardInterrupt


def test_what_was_wrong_with_the_page_for_a_moment_is_forgotten(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_at(3, monkeypatch, cells, "of_outcome", MemoryError(), after=False)  # as the sweep begins
    assert run(sweep, Watcher()).page is not None
