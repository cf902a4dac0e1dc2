"""``tcdflow show`` and ``tcdflow init``, as a terminal has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tests.helpers import left_behind
from tests.quick.cli.test_verbs import names
from tests.quick.show.conftest import Recorded


def said(capfd: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert dispatch(argv) == status
    out, err = capfd.readouterr()
    return out if status == 0 else err


def test_a_run_on_one_screen(recorded: Recorded, capfd: pytest.CaptureFixture[str]) -> None:
    run = recorded("prompt=a red fox", "sampling.seed=[3,5]", "sampling.guidance_scale=2", "negative_prompt=snow")
    lines = said(capfd, "show", str(run)).splitlines()
    shown = {line[:12].strip(): line[12:] for line in lines}
    assert len(lines) <= 24
    assert shown["prompt"] == "a red fox"
    assert shown["negative"] == "snow"
    assert shown["base"] == "embedded:emoji (emoji)"
    assert shown["sampling"] == "4 steps, eta 0.3, guidance 2, seeds 3, 5"
    assert shown["images"] == "000.png (seed 3), 001.png (seed 5)"
    assert json.loads((run / "run.json").read_text())["key"] == shown["key"]


def test_an_image_has_its_own_seed(recorded: Recorded, capfd: pytest.CaptureFixture[str]) -> None:
    run = recorded("sampling.seed=[3,5]")
    (run / "run.json").unlink()
    assert "seeds 5\n" in said(capfd, "show", str(run / "001.png"))


def test_a_run_that_ended_early(tmp_path: Path, composer: Composer, capfd: pytest.CaptureFixture[str]) -> None:
    spec = composer.compose(["prompt=a\x1b[31m fox"]).spec
    with pytest.raises(RuntimeError), RunDirectory.open(tmp_path / "run", spec):
        raise RuntimeError("no\x1b[2Jroom")
    text = said(capfd, "show", str(tmp_path / "run"))
    assert "failed" in text
    assert "RuntimeError: no\\x1b[2Jroom" in text
    assert "a\\x1b[31m fox" in text
    assert said(capfd, "show", str(tmp_path / "run"), "--yaml")
    assert "its lock is empty" in said(capfd, "show", str(tmp_path / "run"), "--python", status=2)


def test_a_run_that_was_killed(tmp_path: Path, composer: Composer, capfd: pytest.CaptureFixture[str]) -> None:
    spec = composer.compose(["prompt=a fox"]).spec
    with RunDirectory.open(tmp_path / "run", spec) as run:
        assert "running, " in said(capfd, "show", str(run.path))
    Record(started="now", spec=spec.model_dump(mode="json")).write(tmp_path / "run")
    assert "ended without a word, " in said(capfd, "show", str(tmp_path / "run"))


def test_as_json(recorded: Recorded, capfd: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capfd, "show", str(recorded()), "--json"))
    assert (found["version"], found["status"], found["spec"]["prompt"]) == (1, "done", "a red heart")
    assert set(found) == names("A recorded run")


@pytest.mark.parametrize("argv", [["nowhere"], ["."], ["--yaml", "--python", "x"], []])
def test_a_mistake_is_one_line(
    argv: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(capfd, "show", *argv, status=2).count("\n") == 1


def test_a_sweep_is_named_by_its_cells(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cells").mkdir()
    assert "is a sweep; name one of its cells/" in said(capfd, "show", str(tmp_path), status=2)


def test_a_plan_is_a_sweeps(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.json").write_text('{"cells": []}')
    for verb in ("show", "rerun"):
        told = said(capfd, verb, str(tmp_path / "plan.json"), status=2)
        assert "plan.json: is the plan of a sweep; name one of the cells/ beside it" in told
    assert "plan.json: is a file; name the directory" in said(capfd, "resume", str(tmp_path / "plan.json"), status=2)
    (tmp_path / "other.json").write_text("{}")
    told = said(capfd, "show", str(tmp_path / "other.json"), status=2)
    assert "other.json: is not a recipe of schema 1: schema_version: Field required" in told


class TestInit:
    """``tcdflow init``."""

    def test_the_experiment_composes(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        said(capfd, "init", str(tmp_path / "mine"))
        assert left_behind(tmp_path / "mine") == [
            ".schema",
            ".schema/experiment.json",
            "experiment",
            "experiment/mine.yaml",
        ]
        spec = Composer(tmp_path / "mine").compose(["experiment=mine"]).spec
        assert (spec.prompt, spec.sampling.steps, list(spec.loras)) == ("a fox on a green background", 4, ["tcd"])
        said(capfd, "check", str(tmp_path / "mine/experiment/mine.yaml"))

    def test_its_sweep_composes_once_it_is_uncommented(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        said(capfd, "init", str(tmp_path))
        path = tmp_path / "experiment/mine.yaml"
        head, mark, sweep = path.read_text("utf-8").partition("# sweep:\n")
        path.write_text(head + (mark + sweep).replace("# ", ""), "utf-8")
        assert "6 cells" in said(capfd, "check", "-m", str(path))

    def test_nothing_is_replaced(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        own = tmp_path / "experiment/mine.yaml"
        own.parent.mkdir()
        own.write_text("prompt: mine\n")
        assert "has experiment/mine.yaml already" in said(capfd, "init", str(tmp_path), status=2)
        assert own.read_text() == "prompt: mine\n"
        assert left_behind(tmp_path) == ["experiment", "experiment/mine.yaml"]
