"""A process that does nothing but write is killed at any moment: a resumed sweep ends as one never interrupted.

``python -m pytest tests/sweep/test_kills.py -m slow`` kills far more often, and
:mod:`tests.faults.test_kills` commands.
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
    kill_densely(sweep, 12, 24, random.Random(4))


@pytest.mark.slow
def test_killed_while_writing_for_long(sweep: Sweep) -> None:
    kill_densely(sweep, 500, 1500, random.Random())


def test_the_check_sees_half_a_image(sweep: Sweep) -> None:
    assert statuses(sweep.run("sampling.seed=1,2")) == ["done"] * 2
    assert whole(sweep.directory) == 2
    picture = next(sweep.directory.rglob("*.png"))
    picture.write_bytes(picture.read_bytes()[:-20000])
    with pytest.raises(OSError):
        whole(sweep.directory)
