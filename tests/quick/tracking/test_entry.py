"""What trackers are told of runs and distillations, from their records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcdflow.errors import RecordError
from tcdflow.record import document
from tcdflow.tracking.entry import NotDoneError, entry
from tests.sweep.fake import Sweep


def always() -> bool:
    return True


@pytest.fixture
def cell(sweep: Sweep) -> Path:
    sweep.run("sampling.seed=7", "prompt=a red heart", "output.metadata=none")
    (made,) = (sweep.directory / "cells").iterdir()
    return made


def test_of_a_cell(cell: Path) -> None:
    found = entry(cell, always)
    record = document.read(cell)
    assert (found.group, found.name, found.root, found.key) == ("sweep", cell.name, cell.parent.parent, record.key)
    assert found.parameters["sampling.seed"] == 7
    assert found.parameters["prompt"] == "a red heart"
    assert found.parameters["loras.tcd.weight"] == 1.0
    assert list(found.curves()) == []
    finding = found.finding(16)
    assert finding.metrics["seconds.denoise"] == 0.25
    assert "sharpness" in finding.metrics
    (image,) = finding.images
    assert (image.caption, image.png) == ("a red heart, seed 7", (cell / "000.png").read_bytes())
    assert found.finding(0).images == []


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_what_is_not_done_is_left(status: str, cell: Path) -> None:
    record = document.read(cell)
    record.status = status  # type: ignore[assignment]
    record.write(cell)
    with pytest.raises(NotDoneError):
        entry(cell, always)


def test_an_image_that_was_changed_is_not_shown(cell: Path) -> None:
    (cell / "000.png").write_bytes(b"other")
    with pytest.raises(RecordError, match="is not the image that was recorded"):
        entry(cell, always).finding(16)


def test_numbers_that_are_none_are_left_out(cell: Path) -> None:
    record = document.read(cell)
    record.execution["metrics"] = {"sharpness": 1, "a\nb": 2, "text": "x", "flag": True}
    record.write(cell)
    metrics = entry(cell, always).finding(0).metrics
    assert {name for name in metrics if not name.startswith("seconds.")} == {"sharpness"}


def test_the_curves_of_a_distillation_wait_for_its_end(tmp_path: Path) -> None:
    record = {
        "kind": "distillation",
        "key": "0" * 64,
        "started": "2026-11-28T00:00:00+00:00",
        "spec": {"distill": {"steps": 3}},
        "data": {"examples": 1, "sha256": "0"},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    log = tmp_path / "log.jsonl"
    lines = [{"step": 1, "loss": 0.5}, {"step": 1, "validation": {"4": 0.1}}, {"step": 2, "loss": 0.25}]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines[:2]) + '{"step": 2, "lo')
    asked = 0

    def ended() -> bool:  # the rest comes between the first look and the second
        nonlocal asked
        asked += 1
        if asked == 2:
            log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return asked > 1

    found = entry(tmp_path, ended)
    assert list(found.curves()) == [(1, {"loss": 0.5}), (1, {"validation.4": 0.1}), (2, {"loss": 0.25})]
    assert found.parameters == {"distill.steps": 3}
    with pytest.raises(NotDoneError):
        found.finding(16)


def test_elsewhere_it_is_another_entry(cell: Path, tmp_path: Path) -> None:
    before = entry(cell, always)
    moved = entry(cell.rename(tmp_path / "alone"), always)
    assert moved.key == before.key
    assert moved.id != before.id
    assert moved.group == "runs"
