"""Cells that share calls: which, in which order, frozen in the plan, and rerun in the same batch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import OutputError
from tcdflow.record import document
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.batch import batch_key
from tcdflow.sweeps import order
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.plan import Plan
from tests.sweep.fake import Sweep, pictures, statuses

AXES = ("prompt=a fox,a cat", "sampling.eta=0,1", "sampling.seed=range(3)")


def shapes(plan: Plan) -> list[int]:
    return [len(batch) for batch in plan.batches()]


def test_prompts_and_seeds_go_together(sweep: Sweep) -> None:
    plan = sweep.plan(*AXES, "runtime.batch_size=4")
    assert shapes(plan) == [4, 2, 4, 2]
    for batch in plan.batches():
        assert len({batch_key(plan.spec(cell)) for cell in batch}) == 1
    assert shapes(sweep.plan(*AXES)) == [1] * 12, "who asks for no batches gets none"


def test_a_cell_is_not_torn_apart(sweep: Sweep) -> None:
    plan = sweep.plan("sampling.seed=range(4)", "sampling.num_images=1,2", "runtime.batch_size=3")
    assert [[len(plan.spec(cell).sampling.seeds) for cell in batch] for batch in plan.batches()] == [
        [1, 2],
        [1, 2],
        [1, 2],
        [1, 2],
    ]
    assert shapes(sweep.plan("sampling.seed=1,20", "sampling.num_images=5", "runtime.batch_size=3")) == [1, 1]


def test_sizes_of_batches_may_be_swept(sweep: Sweep) -> None:
    plan = sweep.plan("sampling.seed=range(4)", "runtime.batch_size=1,4")
    assert sorted(shapes(plan)) == [1, 1, 1, 1, 4]


CELLS = st.lists(st.tuples(st.tuples(st.sampled_from("ab")), st.integers(1, 5), st.sampled_from([1, 3, 4])))


@given(CELLS)
def test_batches(cells: list[tuple[tuple[Any, ...], int, int]]) -> None:
    numbers = order.batches(cells)
    together: dict[int, list[int]] = {}
    for at, number in enumerate(numbers):
        assert (number is None) == (cells[at][2] == 1)
        if number is not None:
            together.setdefault(number, []).append(at)
    for places in together.values():
        assert places == list(range(places[0], places[-1] + 1)), "neighbours"
        assert len({cells[at][0] for at in places}) == len({cells[at][2] for at in places}) == 1
        assert len(places) == 1 or sum(cells[at][1] for at in places) <= cells[places[0]][2]


def test_a_record_names_the_batch_members(sweep: Sweep) -> None:
    for outcome in sweep.run("sampling.seed=5,6,7", "runtime.batch_size=2"):
        seed = sweep.runner.plan.spec(outcome.cell).sampling.seed
        batch = document.read(cell_path(sweep.directory, outcome.cell)).execution["batch"]
        assert batch["size"] == 2 and batch["pictures"][batch["position"]]["seed"] == seed
        assert [one["seed"] for one in batch["pictures"]] == ([7] if seed == 7 else [5, 6])


def test_what_is_left_is_made_in_the_same_batch(sweep: Sweep) -> None:
    sweep.run(*AXES, "runtime.batch_size=4")
    before = pictures(sweep.directory)
    lost = sweep.runner.plan.cells[2]
    (cell_path(sweep.directory, lost) / "000.png").unlink()
    sweep.engine.runs.clear()
    outcomes = sweep.resume()
    assert [outcome.cell.name for outcome in outcomes if outcome.status == "done"] == [lost.name]
    plan = plans.read(sweep.directory)
    assert [spec.sampling.seed for spec in sweep.engine.runs] == [
        plan.spec(cell).sampling.seed for cell in next(iter(plan.batches()))
    ]
    assert pictures(sweep.directory) == before


def test_a_failure_is_that_of_the_batch(sweep: Sweep) -> None:
    sweep.engine.fail = lambda spec: ValueError("no") if spec.sampling.seed == 2 else None
    outcomes = sweep.run("sampling.seed=range(6)", "runtime.batch_size=3")
    assert statuses(outcomes) == ["failed"] * 3 + ["done"] * 3
    for outcome in outcomes[:3]:
        record = document.read(cell_path(sweep.directory, outcome.cell))
        assert record.status == "failed" and record.lock


def test_what_cannot_be_written_is_one_cells_failure(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    save = RunDirectory.save

    def full(run: RunDirectory, *args: Any) -> None:
        if run.record.spec["sampling"]["seed"] == 1 and not failed:
            failed.append(run.path)
            raise OutputError("disk full")
        save(run, *args)

    failed: list[object] = []
    monkeypatch.setattr(RunDirectory, "save", full)
    assert statuses(sweep.run("sampling.seed=range(3)", "runtime.batch_size=3")) == ["done", "failed", "done"]
    assert statuses(sweep.resume(retry_failed=True)) == ["skipped", "done", "skipped"]


@pytest.mark.parametrize("flawed", [0, 1])
def test_what_may_be_made_yet_is_tried_again_beside_what_never_will(
    flawed: int, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RunDirectory.save
    failed: list[object] = []

    def full(run: RunDirectory, *args: Any) -> None:
        if run.record.spec["sampling"]["seed"] != flawed and not failed:
            failed.append(run.path)
            raise OutputError("a share that is gone for a moment")
        save(run, *args)

    monkeypatch.setattr(RunDirectory, "save", full)
    sweep.engine.invalid = lambda seed: "it is black all over" if seed == flawed else None
    outcomes = sweep.run("sampling.seed=0,1", "runtime.batch_size=2", "sweep.retry=2")
    assert (outcomes[flawed].status, outcomes[flawed].attempts) == ("failed", 1)
    assert (outcomes[1 - flawed].status, outcomes[1 - flawed].attempts) == ("done", 2)


def test_an_interrupt_while_writing_leaves_true_records(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    save = RunDirectory.save

    def interrupted(run: RunDirectory, *args: Any) -> None:
        if run.record.spec["sampling"]["seed"] == 1:
            raise KeyboardInterrupt
        save(run, *args)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep.run("sampling.seed=range(3)", "runtime.batch_size=3")
    told = [document.read(cell_path(sweep.directory, cell)).status for cell in sweep.runner.plan.cells]
    assert told == ["done", "interrupted", "interrupted"]
    assert statuses(sweep.resume()) == ["skipped", "done", "done"]


def test_a_flawed_image_is_one_cells_failure(sweep: Sweep) -> None:
    sweep.engine.invalid = lambda seed: "it is black all over" if seed == 1 else None
    outcomes = sweep.run("sampling.seed=range(3)", "runtime.batch_size=3", "sweep.retry=3")
    assert statuses(outcomes) == ["done", "failed", "done"]
    assert outcomes[1].reason == "the image of seed 1 is not kept: it is black all over"
    assert outcomes[1].attempts == 1, "it would come out the same way"
    where = cell_path(sweep.directory, outcomes[1].cell)
    record = document.read(where)
    assert record.status == "failed" and record.execution["unet_calls"] and not list(where.glob("*.png"))
    assert sweep.engine.closed == 0, "nothing of the engine's failed"


def test_of_several_images_the_sound_ones_are_kept(sweep: Sweep) -> None:
    sweep.engine.invalid = lambda seed: "it is black all over" if seed == 1 else None
    outcomes = sweep.run("sampling.seed=0,10", "sampling.num_images=3")
    assert statuses(outcomes) == ["failed", "done"]
    where = cell_path(sweep.directory, outcomes[0].cell)
    record = document.read(where)
    assert record.status == "failed" and [output.seed for output in record.outputs] == [0, 2]
    assert [output.file for output in record.outputs] == ["000.png", "002.png"]
