"""Interrupted, never lost: however it was ended, a distillation that goes on ends with the bytes of one never ended."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tcdflow.distill import checkpoint
from tcdflow.distill.checkpoint import Checkpoint
from tcdflow.distill.directory import DistillDirectory
from tcdflow.errors import ConfigError
from tests.distill.conftest import SMALL, Distil, Prepare
from tests.helpers import Answer, until
from tests.zygote.client import Zygote

LORA = "lora/pytorch_lora_weights.safetensors"
PROMPTS = 'data.prompts=["a red heart","a fox","a dog","a cat"]'
VALIDATION = ("every=3", "count=1", "steps=[1]", "teacher_steps=1")
COMMAND = (
    *("distill", *SMALL, PROMPTS, "distill.steps=6", "distill.ema=0.9", "distill.warmup=2", "hydra.run.dir=out"),
    *(f"distill.validation.{setting}" for setting in VALIDATION),
)


def sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "out" / LORA).read_bytes()).hexdigest()


def record(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "out/run.json").read_text("utf-8"))
    return found


def steps(folder: Path) -> list[int]:
    log = folder / "out/log.jsonl"
    lines = map(json.loads, log.read_text("utf-8").splitlines()) if log.exists() else ()
    return [line["step"] for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def whole(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    done = zygote.run(*COMMAND, cwd=folder)
    assert (done.status, done.out) == (0, f"out/{LORA}\n"), done.err
    return folder


def test_what_it_leaves(whole: Path) -> None:
    found = record(whole)
    assert (found["kind"], found["status"]) == ("distillation", "done")
    assert steps(whole) == [1, 2, 3, 4, 5, 6]
    assert [path.name for path in sorted((whole / "out/checkpoints").iterdir())] == [
        "00000004.safetensors",
        "00000006.safetensors",
    ]
    listed = {one["file"]: one["sha256"] for one in found["outputs"]}  # type: ignore[attr-defined]
    assert listed[LORA] == sha256(whole)
    execution = found["execution"]
    assert isinstance(execution, dict)
    assert (execution["steps"], execution["losses"].keys()) == (6, {"first", "last", "mean_of_last_100"})
    assert {"load", "encode", "validate", "train"} == execution["seconds"].keys()


def test_once_more_does_nothing(zygote: Zygote, whole: Path) -> None:
    before = (whole / "out/run.json").read_bytes()
    for words in (COMMAND, ("resume", "out")):
        assert zygote.run(*words, cwd=whole).status == 0
    assert (whole / "out/run.json").read_bytes() == before


@pytest.mark.parametrize(
    "moment", [pytest.param("out/run.json", marks=pytest.mark.slow), "out/checkpoints/00000002.safetensors"]
)
def test_killed(zygote: Zygote, whole: Path, tmp_path: Path, moment: str) -> None:
    started = zygote.start(*COMMAND, cwd=tmp_path)
    until((tmp_path / moment).exists)
    started.send(signal.SIGKILL)
    started.end()
    assert not steps(tmp_path) or record(tmp_path)["status"] == "running"
    assert goes_on(zygote, tmp_path).status == 0
    assert sha256(tmp_path) == sha256(whole)
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]


def goes_on(zygote: Zygote, folder: Path) -> Answer:
    return zygote.run(*(("resume", "out") if (folder / "out/run.json").exists() else COMMAND), cwd=folder)


@pytest.mark.slow
def test_killed_fifty_times_at_random(zygote: Zygote, whole: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    killed = 0
    for number in itertools.count():
        if killed >= 50:
            break
        folder = tmp_path / str(number)
        folder.mkdir()
        while not (folder / "out" / LORA).exists() or record(folder)["status"] != "done":
            started = zygote.start(*COMMAND, cwd=folder)
            time.sleep(rng.uniform(0.1, 3))
            killed += started.send(signal.SIGKILL)
            started.end()
        assert sha256(folder) == sha256(whole)
        assert steps(folder) == [1, 2, 3, 4, 5, 6]


def test_ctrl_c_finishes_the_step(zygote: Zygote, whole: Path, tmp_path: Path) -> None:
    command = [word for word in COMMAND if "checkpoint" not in word]
    started = zygote.start(*command, cwd=tmp_path)
    until(lambda: len(steps(tmp_path)) >= 1)
    started.send(signal.SIGINT)
    answer = started.end()
    if answer.status == 0:  # it was through already
        return
    assert answer.status == 130
    assert answer.err.endswith("tcdflow: interrupted\n") and "Traceback" not in answer.err
    (saved,) = (tmp_path / "out/checkpoints").iterdir()
    assert int(saved.stem) == steps(tmp_path)[-1]
    assert record(tmp_path)["status"] == "interrupted"
    assert zygote.run("resume", "out", cwd=tmp_path).status == 0
    assert sha256(tmp_path) == sha256(whole)


def test_a_damaged_checkpoint_is_passed_over(zygote: Zygote, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "out", tmp_path / "out")
    last = tmp_path / "out/checkpoints/00000006.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    (tmp_path / "out" / LORA).unlink()
    done = zygote.run("resume", "out", cwd=tmp_path)
    assert done.status == 0
    assert "00000006.safetensors is damaged and passed over" in done.err
    assert any("passed over" in text for text in record(tmp_path)["warnings"])  # type: ignore[attr-defined]
    assert sha256(tmp_path) == sha256(whole)


def test_what_decides_the_lora_may_not_change(zygote: Zygote, whole: Path) -> None:
    def refusal(*words: str) -> str:
        done = zygote.run(*COMMAND, *words, cwd=whole)
        assert done.status == 2
        return done.line()

    assert "was begun with distill.rank=2, now it is 3; choose another directory" in refusal("distill.rank=3")
    assert "was begun with data.seed=0, now it is 1" in refusal("data.seed=1")
    assert zygote.run(*COMMAND, "distill.checkpoint.keep=1", cwd=whole).status == 0
    assert zygote.run("resume", "out", "distill.rank=3", cwd=whole).status == 2
    run = zygote.run("rerun", "out", cwd=whole)
    assert run.status == 2
    assert "is of a distillation; tcdflow resume" in run.line()


def test_a_run_is_not_replaced(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.json").write_text('{"schema_version": 1}', "utf-8")
    done = zygote.run(*COMMAND, cwd=tmp_path)
    assert (done.status, (tmp_path / "out/run.json").read_text("utf-8")) == (2, '{"schema_version": 1}')
    assert "holds another run; choose another directory" in done.line()


def test_a_sweep_is_not_joined(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/plan.json").write_text("{}", "utf-8")
    done = zygote.run(*COMMAND, cwd=tmp_path)
    assert (done.status, [path.name for path in (tmp_path / "out").iterdir()]) == (2, ["plan.json"])
    assert "holds a sweep, and a distillation needs a directory of its own" in done.line()


def test_a_changed_teacher_is_refused(zygote: Zygote, tmp_path: Path) -> None:
    from tcdflow.embedded import model_path

    base = Path(shutil.copytree(model_path("emoji"), tmp_path / "base", ignore=shutil.ignore_patterns("tcd_lora")))
    command = (*COMMAND, "base.source=base", "distill.steps=3")
    started = zygote.start(*command, cwd=tmp_path)
    until((tmp_path / "out/run.json").exists)
    started.send(signal.SIGKILL)
    started.end()
    config = base / "unet/config.json"
    config.write_text(config.read_text("utf-8") + "\n", "utf-8")
    again, resumed = zygote.run(*command, cwd=tmp_path), zygote.run("resume", "out", cwd=tmp_path)
    assert (again.status, resumed.status) == (2, 2)
    assert "was begun with another unet/config.json of base" in again.line()
    assert "unet/config.json has changed since the distillation began" in resumed.line()


def test_a_checkpoint_is_what_was_written(tmp_path: Path) -> None:
    def tensor(seed: int) -> torch.Tensor:
        return torch.randn(2, 3, generator=torch.Generator().manual_seed(seed))

    states: list[dict[str, Any]] = [
        {"step": torch.tensor(3.0), "exp_avg": tensor(2)},
        {"step": 7, "state1": torch.ones(4, dtype=torch.uint8)},
    ]
    for step in (1, 2, 3):
        found = Checkpoint(
            step, "key", {"a.b": tensor(0), "c": tensor(1)}, states, {"c": tensor(4)}, {"scale": 65536.0}
        )
        checkpoint.write(tmp_path, found, keep=2)
    assert len(list((tmp_path / checkpoint.FOLDER).iterdir())) == 2
    read, wrong = checkpoint.latest(tmp_path, ["other", "key"])
    assert read is not None
    assert (read.step, read.scaler, wrong) == (3, {"scale": 65536.0}, [])
    assert torch.equal(read.lora["a.b"], tensor(0))
    assert torch.equal(read.ema["c"], tensor(4))
    assert torch.equal(read.optimizer[0]["exp_avg"], tensor(2))
    assert read.optimizer[1]["step"] == 7
    assert read.optimizer[1]["state1"].dtype == torch.uint8
    none, wrong = checkpoint.latest(tmp_path, "another")
    assert none is None
    assert all("belongs to another distillation" in text for text in wrong)


def test_a_link_is_no_checkpoint(tmp_path: Path) -> None:
    for name in ("real", "other"):
        (tmp_path / name).mkdir()
    checkpoint.write(tmp_path / "real", Checkpoint(1, "key", {}, []), keep=1)
    (tmp_path / "other" / checkpoint.FOLDER).symlink_to(tmp_path / "real" / checkpoint.FOLDER)
    assert checkpoint.latest(tmp_path / "other", "key") == (None, [])


def test_more_steps_are_those_of_a_longer_one(distil_small: Distil, tmp_path: Path) -> None:
    fixed = (PROMPTS, "data.count=4", "distill.decay=constant", "distill.ema=0.9")
    distil_small(tmp_path / "long/out", *fixed, "distill.steps=3")
    for count in (2, 3):
        grown = distil_small(tmp_path / "grown/out", *fixed, f"distill.steps={count}")
        assert (grown.status, grown.execution["steps"]) == ("done", count)
    assert sha256(tmp_path / "grown") == sha256(tmp_path / "long")
    assert steps(tmp_path / "grown") == [1, 2, 3]
    assert len(grown.shorter) == 1


@pytest.mark.parametrize(
    ("begun", "says"),
    [
        (("distill.decay=cosine",), "was 2 when it was begun, and distill.decay=cosine went by that"),
        (("distill=tscd",), "was 2 when it was begun, and distill.method=tscd went by that"),
        (("distill.decay=constant", "data.count=null"), "with data.count=4 its data stays the same and it may grow"),
    ],
)
def test_more_steps_that_would_differ_are_refused(
    distil_small: Distil, prepare_small: Prepare, tmp_path: Path, begun: tuple[str, ...], says: str
) -> None:
    fixed = (PROMPTS, "data.count=4", *begun)
    prepared = prepare_small(*fixed, "distill.steps=2")
    with DistillDirectory.open(tmp_path / "out", prepared):
        pass
    longer = prepare_small(*fixed, "distill.steps=3")
    with pytest.raises(ConfigError, match=re.escape(says)), DistillDirectory.open(tmp_path / "out", longer):
        pass
