"""Sweeps on Ray whose workers or command are killed at random moments: each cell is made by one whole attempt."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tcdflow.config.compose import Composer
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps import planner, ray_runner
from tcdflow.sweeps.ray_cluster import RaySettings, cluster
from tcdflow.sweeps.ray_runner import RayRunner
from tcdflow.sweeps.runner import pending
from tests.faults.conftest import records
from tests.faults.kills import Begun, journal, made_twice, tally
from tests.faults.test_kills import named
from tests.helpers import environment, until
from tests.sweep.fake import Sweep, partial, pictures
from tests.sweep.ray_makers import JOURNAL, FakeMaker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes") / "journal"


@pytest.fixture(scope="module", autouse=True)
def address(notes: Path) -> Iterator[str]:
    """One cluster for all, whose workers write the journal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(JOURNAL, str(notes))
        with cluster(RaySettings(workers=2, threads=1), gpus=False):
            import ray

            yield ray.get_runtime_context().gcs_address


def at_work() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "Maker" in process.name():
                found.append(process)
    return found


def phase(pid: int, begun: list[Begun], directory: Path, torn: list[Begun]) -> str:
    """Say what a process was at; what it had begun and not done is torn."""
    last = next((one for one in reversed(begun) if one.pid == pid), None)
    if last is None:
        return "a worker before its first cell"
    if last.names <= done(directory):
        return "a worker between two cells"
    torn.append(last)
    return "a worker within a cell" if last.calls < 2 else "a worker that writes"


def done(directory: Path) -> frozenset[str]:
    return frozenset(name for record in records(directory) if record.status == "done" for name in named(record))


def check(directory: Path, reference: Path, begun: list[Begun], torn: list[Begun]) -> None:
    assert pictures(directory) == pictures(reference) and partial(directory) == []
    assert made_twice(begun) == []
    whole = Counter(one.names for one in begun) - Counter(one.names for one in torn)
    assert set(whole.values()) == {1}
    assert frozenset().union(*whole) == done(directory)
    assert {one.calls for one in begun if one not in torn} == {2}


def test_workers(
    sweep: Sweep, at: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with tally("workers of a Ray sweep", 0, 30, request) as counted:
        axes = (f"sampling.seed=range(100,{140 + 8 * counted.kills})",)
        sweep.directory = at / "reference"
        sweep.run(*axes)
        monkeypatch.setattr(ray_runner, "CellMaker", FakeMaker)
        notes.unlink(missing_ok=True)
        plan, directory, torn = planner.make(Composer(), axes).plan, at / "sweep", list[Begun]()
        with sweeps.alone(directory):
            plan = sweeps.freeze(directory, plan)
            runner = RayRunner(plan, directory, RaySettings(workers=2, threads=1))
            for number, outcome in enumerate(runner.run(pending(plan, directory))):
                assert outcome.status == "done"
                if number % 7 == 6 and counted.left > 0 and (alive := at_work()):
                    time.sleep(counted.chance.uniform(0, 0.03))  # beyond which all wait for this loop
                    victim = counted.chance.choice(alive)
                    victim.send_signal(signal.SIGKILL)
                    until(lambda: not victim.is_running() or victim.status() == "zombie")  # noqa: B023
                    counted.hit[phase(victim.pid, journal(notes), directory, torn)] += 1
        assert counted.left == 0
        check(directory, at / "reference", journal(notes), torn)


def test_commands(sweep: Sweep, at: Path, notes: Path, address: str, request: pytest.FixtureRequest) -> None:
    """Its workers go with it, within a second or two, in which they may end what they have begun."""
    with tally("commands of a Ray sweep", 0, 10, request) as counted:
        axes = (f"sampling.seed=range(100,{140 + 20 * counted.kills})",)
        sweep.directory = at / "reference"
        sweep.run(*axes)
        notes.unlink(missing_ok=True)
        ray = ["hydra/launcher=ray", "hydra.launcher.workers=2", "hydra.launcher.threads=1"]
        ray.append(f"hydra.launcher.address={address}")
        out = subprocess.DEVNULL
        torn, directory = list[Begun](), at / "sweep"

        def command() -> tuple[str, ...]:
            planned = (directory / "plan.json").exists()
            return ("resume", "sweep") if planned else ("-m", *axes, "hydra.sweep.dir=sweep")

        def start() -> subprocess.Popen[bytes]:
            argv = [sys.executable, "-m", "tests.sweep.ray_makers", *command(), *ray]
            return subprocess.Popen(argv, cwd=at, env=environment(), stdout=out, stderr=out)

        while counted.left > 0:
            before = len(journal(notes))
            process = start()
            wanted = before + counted.chance.randint(0, 12)
            until(lambda: process.poll() is not None or len(journal(notes)) >= wanted)  # noqa: B023
            time.sleep(counted.chance.uniform(0, 0.3))
            process.kill()
            assert process.wait() == -signal.SIGKILL
            until(lambda: not at_work())
            begun = journal(notes)
            for pid in {one.pid for one in begun[before:]}:
                phase(pid, begun, directory, torn)
            started = len(begun) > before
            counted.hit["a command with workers at work" if started else "a command without workers yet"] += 1
            records(directory)
        assert start().wait() == 0
        check(directory, at / "reference", journal(notes), torn)
        assert (directory / "results.csv").exists()
