"""What a cell of a sweep has in common with others is found once, and each cell's record says what is its own."""

from __future__ import annotations

import pytest

from tcdflow.record import document
from tcdflow.request.prepare import Preparer
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.plan import Plan
from tests.sweep.fake import Sweep, statuses


def _alone(plan: Plan, number: int) -> tuple[str, ...]:
    cell = plan.cells[number]
    return Preparer()(plan.request(cell, plan.pins(), plan.artifacts(cell))).warnings


def test_each_record_has_the_warnings_of_its_own_cell(sweep: Sweep) -> None:
    long = "a red heart " * 40
    outcomes = sweep.run("sampling.seed=1,2", "sampling.guidance_scale=0,2", f"prompt=a red heart,{long}")
    plan = sweep.plan_there()
    warnings = [document.read(cell_path(sweep.directory, outcome.cell)).warnings for outcome in outcomes]
    assert warnings == [list(_alone(plan, number)) for number in range(len(plan.cells))]
    assert len({tuple(texts) for texts in warnings}) == 4


@pytest.mark.parametrize("first", ["seed=1", "seed=2"])
def test_what_lies_where_a_cell_writes_is_seen(sweep: Sweep, first: str) -> None:
    """Its directory is no new one: what an earlier run left goes, a folder in the way is that cell's failure."""
    plan = sweep.plan("sampling.seed=1,2")
    (cell,) = (cell for cell in plan.cells if cell.name.endswith(first))
    path = cell_path(sweep.directory, cell)
    path.mkdir(parents=True)
    (path / ".partial-0").touch()
    assert statuses(sweep.run("sampling.seed=1,2")) == ["done", "done"]
    assert not (path / ".partial-0").exists()
    (path / "000.png").unlink()
    (path / "000.png").mkdir()
    assert sorted(statuses(sweep.run("sampling.seed=1,2"))) == ["failed", "skipped"]
