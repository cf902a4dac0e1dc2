"""Clocks that jump, and runs that start at the same moment."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tcdflow.record import document
from tests.faults.conftest import partial, records
from tests.helpers import environment
from tests.sweep.fake import pictures
from tests.zygote.client import Zygote

RUN = ("sampling.steps=1", "sampling.seed=[1,2]")
AXES = ("-m", "sampling.steps=1", "sampling.seed=1,2,3")


def test_it_jumps_by_years(zygote: Zygote, at: Path) -> None:
    """Images and keys have nothing to do with the time of day; dates are what the clock said."""
    wanted = zygote.run(*RUN, "hydra.run.dir=run", cwd=at, drawn=True)
    assert wanted.status == 0
    for seed in "123":
        said = zygote.run(*RUN, cwd=at, drawn=True, before="jumping_clock", twist=seed)
        assert said.status == 0, said.err
    expected = list(pictures(at / "run").values())
    found = sorted((at / "outputs").glob("*/*"))
    assert len(found) == 3 and all(re.fullmatch(r"[12]\d{3}-\d\d-\d\d", path.parent.name) for path in found)
    assert all(list(pictures(path).values()) == expected for path in found)
    key = document.read(at / "run").key
    assert {(record.status, record.key) for record in records(at)} == {("done", key)}


def test_it_jumps_in_a_sweep(zygote: Zygote, at: Path) -> None:
    stop = "import os\nif n == 2: os.kill(os.getpid(), 9)"
    assert zygote.run(*AXES, "hydra.sweep.dir=calm", cwd=at, drawn=True).status == 0
    assert zygote.run(*AXES, "hydra.sweep.dir=s", cwd=at, drawn=True, before="before_each", twist=stop).status
    for seed in "12":
        said = zygote.run("resume", "s", cwd=at, drawn=True, before="jumping_clock", twist=seed)
        assert said.status == 0, said.err
    assert pictures(at / "s") == pictures(at / "calm")
    again = zygote.run("rerun", "--verify", "s", cwd=at, drawn=True, before="jumping_clock", twist="3")
    assert (again.status, again.out) == (0, "3 cells: 3 identical, 0 different\n")


MANY = """
import datetime, sys
from hydra.core import utils
from tcdflow.app import Job, run_single
from tcdflow.config.compose import Composer
from tests.sweep.fake import FakeEngine
class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)
utils.datetime = Stopped
composer = Composer()
print("ready", flush=True)
sys.stdin.readline()
for seed in range(8):
    job = Job.prepare(composer.compose(["sampling.steps=1", f"sampling.seed={seed}"]))
    run_single(job, FakeEngine(), logs=False)
"""


def test_processes_of_the_same_second(at: Path) -> None:
    """Sixteen runs of two processes have a directory each."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MANY], cwd=at, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    for process in processes:
        process.communicate(b"\n", timeout=120)
        assert process.returncode == 0
    found = records(at)
    assert [record.status for record in found] == ["done"] * 16
    assert sorted(record.spec["sampling"]["seed"] for record in found) == [seed for seed in range(8) for _ in "ab"]
    assert sorted(path.name for path in (at / "outputs/2026-01-02").iterdir()) == sorted(
        ["03-04-05", *(f"03-04-05-{number}" for number in range(2, 17))]
    )


def test_one_directory_holds_one_run_at_a_time(zygote: Zygote, at: Path) -> None:
    """A second that is told to write where one is under way is refused, and the first is none the worse."""
    other = "import subprocess, sys; done = subprocess.run([sys.executable, '-m', 'tcdflow', 'sampling.steps=1',"
    other += " 'prompt=a fox', 'hydra.run.dir=run'], capture_output=True, text=True); open('said', 'w').write("
    other += "f'{done.returncode} {done.stderr}')"
    said = zygote.run("sampling.steps=1", "hydra.run.dir=run", cwd=at, drawn=True, before="before_each", twist=other)
    assert said.status == 0
    assert re.fullmatch(
        r"2 tcdflow: hydra\.run\.dir: another run is under way in .*; wait for it, or choose another directory\n",
        (at / "said").read_text(),
    )
    (record,) = records(at)
    assert (record.status, record.spec["prompt"]) == ("done", "a red heart")
    assert partial(at) == []
