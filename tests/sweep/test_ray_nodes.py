"""Sweeps on a cluster of several machines, here raylets of this one, that die and join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps import ray_runner
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.ray_cluster import RaySettings
from tcdflow.sweeps.ray_runner import RayRunner
from tcdflow.sweeps.runner import pending
from tests.faults.kills import journal
from tests.helpers import until
from tests.sweep.fake import Sweep, partial, pictures, statuses
from tests.sweep.ray_makers import JOURNAL, FakeMaker

pytestmark = pytest.mark.slow

AXES = ("sampling.seed=range(100,400)",)


@pytest.fixture
def machines(at: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster whose first machine has no room for workers."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr(ray_runner, "CellMaker", FakeMaker)
    monkeypatch.setenv(JOURNAL, str(at / "notes"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def run(sweep: Sweep, settings: RaySettings, each: Any) -> list[Outcome]:
    plan = sweep.plan(*AXES)
    found = []
    with sweeps.alone(sweep.directory):
        plan = sweeps.freeze(sweep.directory, plan)
        for number, outcome in enumerate(
            RayRunner(plan, sweep.directory, settings).run(pending(plan, sweep.directory))
        ):
            found.append(outcome)
            each(number)
    return found


def check(sweep: Sweep, outcomes: list[Outcome], at: Path) -> None:
    assert statuses(outcomes) == ["done"] * 300 == ["done"] * len({outcome.cell.name for outcome in outcomes})
    made, sweep.directory = sweep.directory, at / "reference"
    assert set(statuses(sweep.run(*AXES))) == {"done"}
    assert pictures(made) == pictures(sweep.directory) and partial(made) == []


@pytest.mark.parametrize("joins", [False, True])
def test_a_machine_that_dies_loses_no_cell(joins: bool, machines: Any, sweep: Sweep, at: Path) -> None:
    """Its cells go to those that are left, or to one that joins; nobody waits for a machine that does not come."""
    nodes = [machines.add_node(num_cpus=1) for _ in range(2)]

    def each(number: int) -> None:
        if number == 40:
            machines.remove_node(nodes[0], allow_graceful=False)
            if joins:
                machines.remove_node(nodes[1], allow_graceful=False)
                machines.add_node(num_cpus=1)

    outcomes = run(sweep, RaySettings(address=machines.address, workers=2, threads=1), each)
    check(sweep, outcomes, at)


def test_a_machine_that_joins_late_gets_work(machines: Any, sweep: Sweep, at: Path) -> None:
    """One worker for each GPU: also for those that come while the sweep runs."""
    machines.add_node(num_cpus=1, num_gpus=1)

    def each(number: int) -> None:
        if number == 10:
            machines.add_node(num_cpus=1, num_gpus=1)
            import ray

            until(lambda: ray.cluster_resources().get("GPU") == 2)

    outcomes = run(sweep, RaySettings(address=machines.address, threads=1), each)
    assert len({begun.pid for begun in journal(at / "notes")}) == 2
    check(sweep, outcomes, at)
