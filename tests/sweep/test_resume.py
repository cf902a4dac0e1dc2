"""A sweep goes on where it was: by content, from anywhere, one process at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.config.plugins import Drive
from tcdflow.errors import ConfigError
from tcdflow.multirun.launcher import Process
from tcdflow.multirun.planned import PlannedSweep
from tcdflow.multirun.watcher import Watcher
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps.directory import cell_path
from tests.helpers import cli
from tests.sweep.fake import FakeEngine, Sweep, partial, pictures, statuses

AXES = ("sampling.seed=1,2,3", "sampling.eta=0,0.5")


def test_what_is_done_is_skipped(sweep: Sweep) -> None:
    assert statuses(sweep.run(*AXES)) == ["done"] * 6
    before = pictures(sweep.directory)
    assert statuses(sweep.resume()) == statuses(sweep.run(*AXES)) == ["skipped"] * 6
    assert len(sweep.engine.runs) == 6 and pictures(sweep.directory) == before and len(before) == 6


def test_what_is_said_anew_of_the_sweep_counts(sweep: Sweep) -> None:
    """What to do on failure, and where the images go, change no cell."""

    def run(*overrides: str) -> list[str]:
        words = (*AXES, *overrides, f"hydra.sweep.dir={sweep.directory}")
        return statuses([*PlannedSweep.prepare(sweep.composer, words, Drive()).run(process, Watcher()).outcomes])

    process = Process(sweep.engine)
    failing = {2, 3}  # the seeds of which a cell fails once

    def fail(spec: RunSpec) -> Exception | None:
        if spec.sampling.seed not in failing:
            return None
        failing.discard(spec.sampling.seed)
        return ValueError("no")

    sweep.engine.fail = fail
    assert run("sweep.on_error=stop") == ["done", "done", "failed", "left", "left", "left"]
    again = ("sweep.retry=1", "sweep.retry_pause=0")
    assert run(*again) == ["skipped", "skipped", "failed", "done", "done", "done"] and not failing
    settings = sweep.plan_there().settings
    assert (settings.on_error, settings.flat, settings.retry) == ("continue", False, 1)
    before = (sweep.directory / "plan.json").stat().st_ino
    run(*again)
    assert (sweep.directory / "plan.json").stat().st_ino == before
    run("sweep.flat=true")  # with nothing left to make
    assert len(list(sweep.directory.glob("images/*.png"))) == 5


def edit(**changes: object) -> Callable[[Path], None]:
    def change(cell: Path) -> None:
        record = json.loads((cell / "run.json").read_text())
        (cell / "run.json").write_text(json.dumps(record | changes))

    return change


def repaint(cell: Path) -> None:
    Image.new("RGB", (64, 64)).save(cell / "000.png")


def link(cell: Path) -> None:
    (cell / "000.png").rename(cell.parent / "elsewhere.png")
    (cell / "000.png").symlink_to(cell.parent / "elsewhere.png")


@pytest.mark.parametrize(
    "damage",
    [
        lambda cell: (cell / "000.png").unlink(),
        lambda cell: (cell / "000.png").write_bytes((cell / "000.png").read_bytes()[:-9]),
        lambda cell: (cell / "run.json").unlink(),
        lambda cell: (cell / "run.json").write_text("{"),
        repaint,
        link,
        edit(key="0" * 64),
        edit(status="running"),
        edit(status="interrupted"),
        edit(outputs=[]),
        edit(schema_version=2),
    ],
    ids=[
        "gone",
        "cut",
        "no record",
        "half a record",
        "repainted",
        "link",
        "key",
        "running",
        "interrupted",
        "none",
        "2",
    ],
)
def test_what_is_not_as_it_was_made_is_made_again(damage: Callable[[Path], None], sweep: Sweep) -> None:
    sweep.run(*AXES)
    before = pictures(sweep.directory)
    damage(cell_path(sweep.directory, sweep.runner.plan.cells[3]))
    assert statuses(sweep.resume()) == ["skipped"] * 3 + ["done"] + ["skipped"] * 2
    after = pictures(sweep.directory)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("seconds", [10**400, "NaN", "Infinity"])
def test_numbers_that_are_none_are_left_out(seconds: int | str, sweep: Sweep) -> None:
    sweep.run(*AXES)
    path = cell_path(sweep.directory, sweep.runner.plan.cells[3]) / "run.json"
    path.write_text(path.read_text("utf-8").replace('"denoise": 0.25', f'"denoise": {seconds}'), "utf-8")
    assert set(statuses(sweep.resume())) == {"skipped"}

    def never(constant: str) -> None:
        raise AssertionError(constant)

    lines = (sweep.directory / "results.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line, parse_constant=never) for line in lines]
    assert [row["denoise"] for row in rows] == [0.25] * 3 + [None] + [0.25] * 2


def test_a_key_counts_and_not_a_name(sweep: Sweep) -> None:
    """Another plan's cell that lies under this one's name is not taken for it."""
    sweep.run(*AXES)
    cells = [cell_path(sweep.directory, cell) for cell in sweep.runner.plan.cells]
    for one, other in ((cells[0], sweep.directory / "x"), (cells[1], cells[0]), (sweep.directory / "x", cells[1])):
        one.rename(other)
    assert statuses(sweep.resume())[:3] == ["done", "done", "skipped"]


def test_failed_cells_wait_to_be_asked_for(sweep: Sweep) -> None:
    sweep.engine.fail = lambda spec: ValueError("first\nsecond") if spec.sampling.seed == 2 else None
    assert statuses(sweep.run(*AXES)).count("failed") == 2
    made = len(sweep.engine.runs)
    again = sweep.resume()
    assert statuses(again).count("failed") == 2 and len(sweep.engine.runs) == made
    assert {outcome.reason for outcome in again if outcome.status == "failed"} == {"first"}
    sweep.engine.fail = lambda spec: None
    assert statuses(sweep.resume(retry_failed=True)).count("done") == 2
    assert len(pictures(sweep.directory)) == 6


def test_leftovers_of_a_killed_process_go(sweep: Sweep) -> None:
    sweep.run(*AXES)
    cell = cell_path(sweep.directory, sweep.runner.plan.cells[0])
    edit(status="running")(cell)
    for place in (cell, sweep.directory):
        (place / ".partial-abc").write_text("half")
    sweep.resume()
    assert partial(sweep.directory) == []


def test_two_processes_on_one_directory(sweep: Sweep, at: Path) -> None:
    sweep.run("sampling.seed=1,2")
    with sweeps.alone(sweep.directory):
        done = cli("resume", "sweep", cwd=at)
        assert done.returncode == 2 and "another process is running" in done.stderr
        assert done.stderr.count("\n") == 1
    assert cli("resume", "sweep", cwd=at).returncode == 0


def test_a_file_that_changed_since_the_plan(sweep: Sweep, tmp_path: Path) -> None:
    from tcdflow import embedded

    file = tmp_path / "mine.safetensors"
    file.write_bytes(embedded.lora_path("emoji").read_bytes())
    overrides = (f"loras.tcd.source={file}", *AXES)
    sweeps.freeze(sweep.directory, sweep.plan(*overrides))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    outcomes = sweep.resume()
    assert {outcome.status for outcome in outcomes} == {"failed"} and sweep.engine.runs == []
    assert all("mine.safetensors has changed since the plan" in str(outcome.reason) for outcome in outcomes)
    file.unlink()
    assert all("cannot be read" in str(outcome.reason) for outcome in sweep.resume(retry_failed=True))
    with pytest.raises(ConfigError):
        sweep.plan(*overrides)


def test_from_another_directory(sweep: Sweep, at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative sources and images of a plan mean what they meant where it was made."""
    from tcdflow import embedded

    (at / "mine.safetensors").write_bytes(embedded.lora_path("emoji").read_bytes())
    Image.new("RGB", (64, 64), "red").save(at / "red.png")
    overrides = ("loras.tcd.source=mine.safetensors", "task=image_to_image", "task.image=red.png", *AXES)
    sweeps.freeze(sweep.directory, sweep.plan(*overrides))
    monkeypatch.chdir(tmp_path)
    seen = []
    run = FakeEngine.run_together

    def spy(engine: FakeEngine, specs: Any, artifacts: Any, on_step: Any) -> object:
        seen.append([artifact.path for artifact in artifacts])
        return run(engine, specs, artifacts, on_step)

    monkeypatch.setattr(FakeEngine, "run_together", spy)
    assert statuses(sweep.resume()) == ["done"] * 6
    assert all(path.is_absolute() and path.exists() for paths in seen for path in paths)


@pytest.mark.parametrize("what", ["nowhere", "empty"])
def test_no_sweep_there(what: str, at: Path) -> None:
    (at / "empty").mkdir()
    done = cli("resume", what, cwd=at)
    assert done.returncode == 2 and what in done.stderr and done.stderr.count("\n") == 1
    assert list((at / "empty").iterdir()) == []


def test_results(sweep: Sweep) -> None:
    sweep.engine.fail = lambda spec: ValueError("no\nmore") if spec.sampling.seed == 3 else None
    sweep.run("sampling.seed=1,3", "prompt='=cmd()','a, \"b\"'", "loras.tcd.weight=1,{unet:0.5}")
    rows = list(csv.DictReader((sweep.directory / "results.csv").open(newline="", encoding="utf-8")))
    lines = [json.loads(line) for line in (sweep.directory / "results.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == len(lines) == 8 and [row["cell"] for row in rows] == [line["cell"] for line in lines]
    done = [row for row in rows if row["status"] == "done"]
    assert [len(done), sum(row["status"] == "failed" for row in rows)] == [4, 4]
    for row in done:
        assert (sweep.directory / row["picture"]).is_file() and (sweep.directory / row["record"]).is_file()
        assert float(row["seconds"]) == 0.375 and float(row["sharpness"]) > 0 and 0 < float(row["complexity"]) < 4
        assert row["unet_calls"] == "4" and len(row["pixel_sha256"]) == 64
    assert {row["prompt"] for row in rows} == {" =cmd()", 'a, "b"'}
    assert {row["reason"] for row in rows} == {"", "no"}
    assert {row["loras.tcd.weight"] for row in rows} == {"1", "{unet:0.5}"}
    sweep.resume()
    assert len(list(csv.DictReader((sweep.directory / "results.csv").open()))) == 8
