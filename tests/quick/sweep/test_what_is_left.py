"""``tcdflow check -m`` counts what the sweep would run: the cells that are neither done nor failed."""

from __future__ import annotations

import json

import pytest

from tcdflow.cli import preview
from tcdflow.cli.command import dispatch
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.runner import pending
from tests.sweep.fake import Sweep

WORDS = ("prompt=a,b,c", "sampling.seed=1,2", "sampling.steps=4")


def lose(sweep: Sweep, *numbers: int) -> None:
    for number in numbers:
        (cell_path(sweep.directory, sweep.runner.plan.cells[number]) / "000.png").unlink()


def test_what_is_left_costs_what_a_sweep_of_it_costs(sweep: Sweep) -> None:
    sweep.run(*WORDS)
    lose(sweep, 2, 3)
    plan = sweep.runner.plan
    alone = preview.of_plan(plan.model_copy(update={"cells": plan.cells[2:4]}), "")
    found = preview.of_plan(plan, "", pending(plan, sweep.directory))
    assert found["left"] == {"cells": 2} | {key: alone[key] for key in ("loads", "unet_calls", "time")}
    assert found["left"]["loads"] == {"bases": 1, "pipelines": 0, "LoRA stacks": 0, "prompts": 0}
    assert (found["left"]["unet_calls"], found["unet_calls"], found["loads"]["prompts"]) == (8, 24, 2)


def test_a_cell_of_a_batch_costs_the_batch(sweep: Sweep) -> None:
    sweep.run(*WORDS, "runtime.batch_size=2")
    lose(sweep, 0)
    plan = sweep.runner.plan
    left = preview.of_plan(plan, "", pending(plan, sweep.directory))["left"]
    assert (left["cells"], left["unet_calls"], left["time"]["runs"]) == (1, 4, 2)


def test_each_cell_has_its_status(sweep: Sweep) -> None:
    sweep.engine.fail = lambda spec: ValueError("no") if spec.prompt == "b" else None
    sweep.run(*WORDS)
    lose(sweep, 0)
    plan = sweep.runner.plan
    found = preview.of_plan(plan, "", pending(plan, sweep.directory))
    assert [cell["status"] for cell in found["cells"]] == ["left", "done", "failed", "failed", "done", "done"]


def test_the_command_says_so(sweep: Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    sweep.engine.fail = lambda spec: ValueError("no") if spec.prompt == "b" else None
    sweep.run(*WORDS)
    lose(sweep, 0)
    argv = ["check", "-m", *WORDS, f"hydra.sweep.dir={sweep.directory}"]
    assert dispatch(argv) == 0
    out = capfd.readouterr().out
    assert "done        3 of 6 cells, 2 failed (tcdflow resume --retry-failed runs them again); to run: 1 cell\n" in out
    assert "loads       1 base\nUNet calls  4\n" in out
    assert dispatch([*argv, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["left"]["cells"] == 1
