"""Killed with SIGKILL at any moment, a resumed sweep ends with the images of one never interrupted.

``python -m pytest tests/sweep/test_kills.py -m slow`` kills far more often.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.record import document
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.runner import Runner, pending
from tests.helpers import until
from tests.sweep.fake import FakeEngine, Sweep, partial, pictures, statuses
from tests.zygote.client import Zygote


def whole(directory: Path) -> int:
    """Check that nothing half written bears a final name, and return how many cells are done."""
    done = 0
    for path in directory.rglob("*.png"):
        with Image.open(path) as image:
            image.load()
    for cell in (directory / "cells").glob("*"):
        with contextlib.suppress(RecordError):
            record = document.read(cell) if (cell / "run.json").exists() else None
            done += record is not None and record.status == "done"
        if (cell / "run.json").exists():
            assert document.read(cell).status in ("running", "done", "interrupted")
    if (directory / "plan.json").exists():
        plans.read(directory)
    return done


def fast(directory: Path) -> None:
    """Run what is left of a sweep with the engine that draws at once."""
    with sweeps.alone(directory):
        plan = plans.read(directory)
        runner = Runner(plan, directory, FakeEngine())
        for outcome in runner.run(pending(plan, directory)):
            assert outcome.status == "done"


def fork(directory: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        fast(directory)
        status = 0
    finally:
        os._exit(status)


def kill_densely(sweep: Sweep, kills: int, cells: int, chance: random.Random) -> None:
    """Kill a process that does nothing but write, again and again, until it is through."""
    plan = sweep.plan(f"sampling.seed=range({cells})", "sampling.num_images=2", "output.grid=true")
    reference = sweep.directory.with_name("reference")
    plan.write(reference)
    start = time.perf_counter()
    fast(reference)
    cell_takes = (time.perf_counter() - start) / cells
    expected = pictures(reference)
    plan.write(sweep.directory)
    seen = set()
    killed = done = 0
    reach = 6 * cell_takes
    while killed < kills:
        pid = fork(sweep.directory)
        time.sleep(chance.uniform(0, reach))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        before, done = done, whole(sweep.directory)
        seen.add(done)
        # A busy machine may not get to the first cell in the time of six: the kills follow what it gets done.
        reach *= 0.9 if done > before else 1.3
        if status == signal.SIGKILL:  # one that was through before does not count
            killed += 1
            continue
        assert status == 0
        assert pictures(sweep.directory) == expected and partial(sweep.directory) == []
        shutil.rmtree(sweep.directory)
        plan.write(sweep.directory)
    assert len(seen) > kills // 4, "kills hit all stages of the sweep"
    fast(sweep.directory)
    assert pictures(sweep.directory) == expected
    assert partial(sweep.directory) == []


def test_killed_while_writing(sweep: Sweep) -> None:
    kill_densely(sweep, 20, 40, random.Random(4))


@pytest.mark.slow
def test_killed_while_writing_for_long(sweep: Sweep) -> None:
    kill_densely(sweep, 500, 1500, random.Random())


def kill_for_real(zygote: Zygote, at: Path, kills: int, axes: tuple[str, ...], chance: random.Random) -> None:
    """Kill ``tcdflow -m`` on the embedded model: while it loads, denoises, decodes and writes."""
    start = time.perf_counter()
    assert zygote.run("-m", *axes, "hydra.sweep.dir=reference", cwd=at).status == 0
    expected = pictures(at / "reference")
    takes = (time.perf_counter() - start) / len(expected)
    begin = ("-m", *axes, "hydra.sweep.dir=sweep")
    command, killed, stages, done = begin, 0, set(), 0
    while killed < kills:
        before = len(pictures(at / "sweep"))
        process = zygote.start(*command, cwd=at)
        if chance.random() < 0.25:
            time.sleep(chance.uniform(0, 1))
        else:
            until(lambda: process.ended() or len(list((at / "sweep").rglob("*.png"))) > before, 0.005)  # noqa: B023
            time.sleep(chance.uniform(0, 2 * takes))
        process.send(signal.SIGKILL)
        ended = process.end().status
        assert ended in (-signal.SIGKILL, 0)
        now = whole(at / "sweep")
        assert now >= done, "nothing that is done is lost"
        stages.add(now)
        done = now
        command = ("resume", "sweep") if (at / "sweep" / "plan.json").exists() else begin
        if ended == 0:  # through before the kill, which does not count
            assert pictures(at / "sweep") == expected
            shutil.rmtree(at / "sweep")
            command, done = begin, 0
            continue
        killed += 1
    assert len(stages) > 2
    assert zygote.run(*command, cwd=at).status == 0
    assert pictures(at / "sweep") == expected
    assert partial(at / "sweep") == []


def test_killed_while_it_makes_images(zygote: Zygote, at: Path) -> None:
    axes = ("sampling.seed=range(8)", "loras.tcd.weight=0.5,1", "sampling.steps=2")
    kill_for_real(zygote, at, 6, axes, random.Random(2))


def test_killed_while_it_makes_batches(zygote: Zygote, at: Path) -> None:
    axes = ("sampling.seed=range(10)", "prompt=a fox,a panda", "runtime.batch_size=4", "sampling.steps=2")
    kill_for_real(zygote, at, 5, axes, random.Random(3))


@pytest.mark.slow
def test_killed_while_it_makes_images_for_long(zygote: Zygote, at: Path) -> None:
    axes = ("sampling.seed=range(40)", "loras.tcd.weight=0.5,1", "lora_stack.fuse=true,false", "sampling.steps=1,2")
    kill_for_real(zygote, at, 200, axes, random.Random())


def test_the_check_sees_half_a_image(sweep: Sweep) -> None:
    assert statuses(sweep.run("sampling.seed=1,2")) == ["done"] * 2
    assert whole(sweep.directory) == 2
    picture = next(sweep.directory.rglob("*.png"))
    picture.write_bytes(picture.read_bytes()[:-20000])
    with pytest.raises(OSError):
        whole(sweep.directory)
