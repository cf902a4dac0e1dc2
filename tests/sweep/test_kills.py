"""Killed with SIGKILL at any moment, a resumed sweep ends with the images of one never interrupted.

``python -m pytest tests/sweep/test_kills.py -m slow`` kills far more often.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.record import document
from tcdflow.sweep import directory as sweeps
from tcdflow.sweep import plan as plans
from tcdflow.sweep.runner import Runner, pending
from tests.helpers import environment
from tests.sweep.fake import FakeEngine, Sweep, partial, pictures, statuses


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
    kill_densely(sweep, 40, 80, random.Random(4))


@pytest.mark.slow
def test_killed_while_writing_for_long(sweep: Sweep) -> None:
    kill_densely(sweep, 500, 1500, random.Random())


class Zygote:
    """A process that has imported everything and forks a command at once."""

    def __init__(self, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.zygote"],
            cwd=cwd,
            env=environment({"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, *argv: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(argv) + "\n")
        self._process.stdin.flush()
        return self._line()

    def end(self) -> int:
        return self._line()

    def _line(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture
def zygote(at: Path) -> Iterator[Zygote]:
    process = Zygote(at)
    yield process
    process.close()


def wait_for_more(directory: Path, images_before: int, pid: int) -> None:
    """Wait until a sweep has more images, or its process is gone."""
    with contextlib.suppress(ProcessLookupError):
        while len(list(directory.rglob("*.png"))) <= images_before:
            os.kill(pid, 0)
            time.sleep(0.005)


def kill_for_real(zygote: Zygote, at: Path, kills: int, axes: tuple[str, ...], chance: random.Random) -> None:
    """Kill ``tcdflow -m`` on the embedded model: while it loads, denoises, decodes and writes."""
    start = time.perf_counter()
    zygote.start("-m", *axes, "hydra.sweep.dir=reference")
    assert zygote.end() == 0
    expected = pictures(at / "reference")
    takes = (time.perf_counter() - start) / len(expected)
    begin = ("-m", *axes, "hydra.sweep.dir=sweep")
    command, killed, stages, done = begin, 0, set(), 0
    while killed < kills:
        before = len(pictures(at / "sweep"))
        pid = zygote.start(*command)
        if chance.random() < 0.25:
            time.sleep(chance.uniform(0, 1))
        else:
            wait_for_more(at / "sweep", before, pid)
            time.sleep(chance.uniform(0, 2 * takes))
        with contextlib.suppress(ProcessLookupError):  # it was through
            os.kill(pid, signal.SIGKILL)
        ended = zygote.end()
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
    assert len(stages) > 3
    zygote.start(*command)
    assert zygote.end() == 0
    assert pictures(at / "sweep") == expected
    assert partial(at / "sweep") == []


def test_killed_while_it_makes_images(zygote: Zygote, at: Path) -> None:
    axes = ("sampling.seed=range(12)", "loras.tcd.weight=0.5,1", "sampling.steps=2")
    kill_for_real(zygote, at, 8, axes, random.Random(2))


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
