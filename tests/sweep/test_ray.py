"""Sweeps on Ray's workers: the same cells and bits as in one process, whoever is killed."""

from __future__ import annotations

import gc
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import torch

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, NoRoomError, RunError
from tcdflow.record import document
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps import planner, ray_runner
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.ray_cluster import RaySettings, cluster
from tcdflow.sweeps.ray_runner import RayRunner
from tcdflow.sweeps.ray_worker import CellMaker
from tcdflow.sweeps.runner import pending
from tests.helpers import environment, left_behind, until
from tests.standins.gallery import page_data
from tests.sweep.fake import FakeEngine, Sweep, partial, pictures, statuses
from tests.sweep.ray_makers import FULL, POISON, WRONG, Elsewhere, FakeMaker, Stillborn, Unready


@pytest.fixture(scope="module", autouse=True)
def ray_here() -> Iterator[None]:
    """One cluster for all: starting Ray takes seconds."""
    with cluster(RaySettings(workers=2, threads=1), gpus=False):
        yield


@pytest.fixture
def makers(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[CellMaker]], None]:
    """Choose the workers."""
    return lambda maker: monkeypatch.setattr(ray_runner, "CellMaker", maker)


Run = Callable[..., list[Outcome]]


@pytest.fixture
def run(at: Path, makers: Callable[[type[CellMaker]], None]) -> Run:
    """Run a sweep on two workers that draw without torch."""
    makers(FakeMaker)

    def run(*overrides: str, each: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
        plan = planner.make(Composer(), overrides).plan
        directory = at / "sweep"
        with sweeps.alone(directory):
            plan = sweeps.freeze(directory, plan)
            before = [*pending(plan, directory)]
            found = {outcome.cell.name: outcome for outcome in before}
            for outcome in RayRunner(plan, directory, RaySettings(workers=2, threads=1)).run(before):
                each(outcome)
                found[outcome.cell.name] = outcome
        return list(found.values())

    return run


def workers() -> list[psutil.Process]:
    """The processes that are making cells, or about to."""
    children = psutil.Process().children(recursive=True)
    return [process for process in children if "Maker" in process.name()]


def test_bits_are_those_of_one_process(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    axes = ("sampling.seed=1,2,3", "loras.tcd.weight=0.5,1", "sampling.steps=1")
    there = ("hydra/launcher=ray", "hydra.launcher.workers=2", "hydra.launcher.threads=1", "hydra.sweep.dir=there")
    assert dispatch(["-m", *axes, *there]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert dispatch(["-m", *axes, "hydra.sweep.dir=here"]) == 0
    finally:
        torch.set_num_threads(threads)
    cells = sorted(path.name for path in (at / "here" / "cells").iterdir())
    records = {where: [document.read(at / where / "cells" / cell) for cell in cells] for where in ("here", "there")}
    assert {record.environment["threads"] for both in records.values() for record in both} == {1}
    pixels = {where: [record.outputs[0].pixel_sha256 for record in found] for where, found in records.items()}
    assert pixels["here"] == pixels["there"] and len(set(pixels["here"])) == 6
    assert pictures(at / "here") == pictures(at / "there")
    assert dispatch(["resume", "there", *there[:2]]) == 0
    assert "6 skipped" in capsys.readouterr().err


def test_killed_workers_cells_go_to_others(run: Run, sweep: Sweep, at: Path) -> None:
    kill_workers(run, at, sweep, cells=20, kills=2, chance=random.Random(3))


@pytest.mark.slow
def test_killed_workers_for_long(run: Run, sweep: Sweep, at: Path) -> None:
    kill_workers(run, at, sweep, cells=800, kills=150, chance=random.Random())


def kill_workers(run: Run, at: Path, sweep: Sweep, *, cells: int, kills: int, chance: random.Random) -> None:
    axes = (f"sampling.seed=range(100,{100 + cells})", "sampling.num_images=2")
    sweep.directory = at / "reference"
    assert set(statuses(sweep.run(*axes))) == {"done"}
    killed = 0
    every = cells // (kills + 2)

    def kill(outcome: Outcome) -> None:
        nonlocal killed
        if int(outcome.cell.name.partition("_")[0]) % every == 0 and killed < kills:
            time.sleep(chance.uniform(0, 0.06))
            if alive := workers():
                chance.choice(alive).send_signal(signal.SIGKILL)
                killed += 1

    gc.disable()  # workers end with their sweep, and not once Python collects them, to whom errors still lead
    try:
        outcomes = run(*axes, each=kill)
        until(lambda: not workers())
    finally:
        gc.enable()
    assert statuses(outcomes) == ["done"] * cells
    assert killed >= kills // 2 and partial(at / "sweep") == []
    assert pictures(at / "sweep") == pictures(at / "reference")
    assert set(statuses(run(*axes))) == {"skipped"}


@pytest.mark.slow
def test_killed_commands(sweep: Sweep, at: Path) -> None:
    """SIGKILL takes the command that drives the workers: what resumes it makes the same images."""
    axes = ("sampling.seed=range(100,260)", "sampling.num_images=2")
    sweep.directory = at / "reference"
    assert set(statuses(sweep.run(*axes))) == {"done"}
    launcher = ("hydra/launcher=ray", "hydra.launcher.workers=2")
    tcdflow = [sys.executable, "-m", "tests.sweep.ray_makers"]
    command = [*tcdflow, "-m", *axes, "hydra.sweep.dir=sweep", *launcher]
    chance = random.Random(5)
    for _ in range(6):
        before = len(list((at / "sweep").rglob("*.png")))
        process = subprocess.Popen(command, cwd=at, env=environment())
        while process.poll() is None and len(list((at / "sweep").rglob("*.png"))) <= before:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.wait()
        command = [*tcdflow, "resume", "sweep", *launcher]
    assert 0 < len(list((at / "sweep").rglob("*.png"))) < 320
    assert subprocess.run(command, cwd=at, env=environment()).returncode == 0
    assert pictures(at / "sweep") == pictures(at / "reference") and partial(at / "sweep") == []


@pytest.mark.slow
def test_a_cell_that_kills_its_workers_fails(run: Run, at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    axis = f"sampling.seed=range({POISON - 3},{POISON + 4})"
    outcomes = run(axis)
    by_seed = {outcome.cell.values["sampling.seed"]: outcome for outcome in outcomes}
    bad = by_seed.pop(POISON)
    assert {outcome.status for outcome in by_seed.values()} == {"done"}
    assert bad.status == "failed" and "its worker died" in str(bad.reason) and "3 times" in str(bad.reason)
    record = document.read(cell_path(at / "sweep", bad.cell))
    assert record.status == "failed" and record.error is not None and record.error.type == "WorkerDied"
    assert statuses(run(f"sampling.seed=range({POISON - 3},{POISON + 4})")).count("failed") == 1, (
        "told, not tried again"
    )


@pytest.mark.parametrize(("policy", "left"), [pytest.param("continue", False, marks=pytest.mark.slow), ("stop", True)])
def test_what_fails_keeps_nothing_else_from_being_made(policy: str, left: bool, run: Run) -> None:
    outcomes = run(f"sampling.seed=range({WRONG - 1},{WRONG + 30})", f"sweep.on_error={policy}")
    (bad,) = (outcome for outcome in outcomes if outcome.status == "failed")
    assert bad.cell.values["sampling.seed"] == WRONG and bad.reason == "no"
    assert ("left" in statuses(outcomes)) == left
    assert statuses(outcomes).count("done") + statuses(outcomes).count("left") == 30


def test_a_full_disk_stops_it(run: Run, at: Path) -> None:
    with pytest.raises(NoRoomError, match="no space left"):
        run(f"sampling.seed=range({FULL},{FULL + 100})")
    assert len(list((at / "sweep/cells").iterdir())) < 50


def test_cells_of_a_batch_are_made_together(run: Run, at: Path) -> None:
    outcomes = run("sampling.seed=range(100,110)", "runtime.batch_size=4")
    assert statuses(outcomes) == ["done"] * 10


def test_an_interrupt_ends_everybodys_cell(run: Run, at: Path) -> None:
    def interrupt(outcome: Outcome) -> None:
        if outcome.cell.values["sampling.seed"] == 104:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("sampling.seed=range(100,140)", each=interrupt)
    found = [document.read(path.parent).status for path in (at / "sweep").rglob("run.json")]
    assert set(found) <= {"done", "interrupted"} and found.count("interrupted") <= 2 and 3 < len(found) < 40
    assert statuses(run("sampling.seed=range(100,140)")).count("skipped") == found.count("done")


def test_to_ask_twice_is_to_ask_once(sweep: Sweep) -> None:
    """An answer that got lost is asked for again: what the record knows as done is not made a second time."""
    engine = FakeEngine()
    plan = sweep.plan("sampling.seed=1,2")
    plan.write(sweep.directory)
    maker = FakeMaker(str(sweep.directory), plans_hash(sweep.directory), 1, allow_pickle=False, fetch=True)
    maker.engine = engine  # type: ignore[method-assign]  # what it is asked for is itself
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        assert maker.ready() is None
        first = maker.make(0, [plan.cells[0].name])
        again = maker.make(0, [plan.cells[0].name])
    finally:
        maker.finish()
    assert before == os.environ.get("OMP_NUM_THREADS") == "1"
    assert statuses(first) == statuses(again) == ["done"] and len(engine.runs) == 1
    assert first[0].record == again[0].record


def plans_hash(directory: Path) -> str:
    from tcdflow.files.hashes import sha256_file

    return sha256_file(directory / plans.FILE_NAME)


def test_nobody_begins_while_a_killed_commands_workers_are_at_it(sweep: Sweep) -> None:
    sweep.directory.mkdir()
    ended = threading.Event()

    def end(worker: ExitStack) -> None:
        ended.set()
        worker.close()

    with ExitStack() as first, ExitStack() as last:
        for worker in (first, last):
            worker.enter_context(sweeps.among_others(sweep.directory))
        first.close()
        late = threading.Timer(0.5, end, [last])
        late.start()
        with sweeps.alone(sweep.directory):
            assert ended.is_set()
        late.join()
    assert left_behind(sweep.directory) == [".running"]


def test_workers_that_do_not_see_the_directory(run: Run, makers: Callable[[type[CellMaker]], None]) -> None:
    makers(Elsewhere)
    with pytest.raises(ConfigError, match="one that all machines share"):
        run("sampling.seed=1,2")


def test_workers_that_never_begin(run: Run, makers: Callable[[type[CellMaker]], None]) -> None:
    makers(Stillborn)
    with pytest.raises(RunError, match="die before they begin"):
        run("sampling.seed=1,2")


def test_what_workers_find_wrong_as_they_begin(run: Run, makers: Callable[[type[CellMaker]], None]) -> None:
    makers(Unready)
    with pytest.raises(RunError, match="cannot begin: the log is a folder"):
        run("sampling.seed=1,2")


def test_a_worker_that_dies_with_nothing_to_do(run: Run) -> None:
    made: list[Outcome] = []

    def kill(outcome: Outcome) -> None:
        made.append(outcome)
        for worker in workers() if len(made) == 2 else ():
            worker.kill()

    assert statuses(run("sampling.seed=1,2", each=kill)) == ["done"] * 2


def test_a_certain_gpu(run: Run) -> None:
    with pytest.raises(ConfigError, match=r"runtime\.device = 'cuda:1'.*write cuda"):
        run("sampling.seed=1,2", "runtime.device=cuda:1")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("hydra.launcher.workers=0", ["hydra.launcher.workers = 0", "at least 1"]),
        ("hydra.launcher.workres=2", ["did you mean 'hydra.launcher.workers'"]),
        ("hydra.launcher.address=127.0.0.1:1", ["hydra.launcher.address = '127.0.0.1:1'", "no Ray answers"]),
        ("hydra.launcher.address=ray", ["hydra.launcher.address = 'ray'"]),
        ("hydra.launcher.workers=1,2", ["hydra.launcher.workers"]),
    ],
)
def test_a_wrong_setting_is_one_line(
    settings: str, words: list[str], at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["-m", "sampling.seed=1,2", "hydra/launcher=ray", settings]) == 2
    err = capsys.readouterr().err
    assert all(word in err for word in words) and err.count("\n") == 1, err
    assert not list(at.iterdir())


def test_more_than_there_is(run: Run) -> None:
    with (
        pytest.raises(ConfigError, match="need 64 CPUs, and the cluster has room for"),
        cluster(RaySettings(workers=8, threads=8), gpus=False),
    ):
        pass


@pytest.mark.parametrize("word", ["base=sdxl", "hydra/launcher=joblib", "hydra.sweep.dir=x"])
def test_resume_takes_a_launcher_and_nothing_else(word: str, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (at / "s").mkdir()
    assert dispatch(["resume", "s", word]) == 2
    assert f"resume = '{word}'" in capsys.readouterr().err


def test_a_plan_does_not_choose_a_launcher(
    sweep: Sweep, at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An untrusted plan that names a cluster does not connect anybody to it."""
    plan = sweep.plan("sampling.seed=1,2", "hydra/launcher=ray", "hydra.launcher.address=203.0.113.7:6379")
    plan.write(at / "s")
    monkeypatch.setattr(ray_runner, "cluster", None)
    assert dispatch(["resume", "s"]) == 0
    assert "2 done" in capsys.readouterr().err


def statuses_of(directory: Path) -> list[str]:
    return [document.read(path.parent).status for path in directory.rglob("run.json")]


def test_a_whole_command_and_its_end(at: Path) -> None:
    """Ray started and stopped by the command, a Ctrl-C that reaches everyone, and nobody left behind."""
    command = ["-m", "tcdflow", "-m", "hydra/launcher=ray", "sampling.seed=range(300)", "hydra.sweep.dir=s"]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=at,
        env=environment({"OMP_NUM_THREADS": "1"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: process.poll() is not None or statuses_of(at).count("done") >= 3, 0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("CellMaker" in child.name() for child in family)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    assert "go on with: tcdflow resume s hydra/launcher=ray" in err and "Traceback" not in err
    found = statuses_of(at)
    assert set(found) <= {"done", "interrupted"} and found.count("done") >= 3
    assert {cell["status"] for cell in page_data(at / "s/index.html")["cells"]} == {"done", "missing"}
    _, left = psutil.wait_procs(family, timeout=20)
    assert left == []


def test_deaths_are_not_told_among_the_paths_of_images(at: Path) -> None:
    axis = f"sampling.seed=range({POISON - 2},{POISON + 2})"
    command = ["-m", "tests.sweep.ray_makers", "-m", "hydra/launcher=ray", axis, "hydra.sweep.dir=s"]
    done = subprocess.run([sys.executable, *command], cwd=at, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1 and "3 done, 1 failed" in done.stderr, done.stderr
    assert sorted(done.stdout.splitlines()) == [str(path.relative_to(at)) for path in sorted(at.rglob("*.png"))]
    told = (at / "s" / "sweep.log").read_text()
    assert len(re.findall("its worker died .*, for the [123]. time", told)) == 3


def test_ray_is_imported_by_nobody_else(at: Path) -> None:
    code = (
        "import sys; from tcdflow.cli.command import dispatch; "
        "assert dispatch(['check', '-m', 'sampling.seed=1,2']) == 0; "
        "assert not {'ray', 'joblib', 'optuna', 'submitit'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=at, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
