"""The same pixels again, from whatever a run left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tcdflow
from tcdflow.record import document
from tcdflow.record.metadata import read_recipe
from tests.fidelity.conftest import Thin
from tests.helpers import left_behind
from tests.rerun.conftest import TASKS, Tcdflow, pixels
from tests.standins import StandIns
from tests.zygote.client import Zygote

TO = "hydra.run.dir=again"


@pytest.mark.parametrize("task", TASKS)
def test_each_task_from_its_directory(task: str, tcd: Tcdflow, here: Path) -> None:
    said = tcd("rerun", f"outputs/{task}", TO)
    assert said.status == 0, said.err
    then, now = document.read(here / "outputs" / task), document.read(here / "again")
    assert pixels(here / "again") == pixels(here / "outputs" / task)
    assert (now.status, now.spec, now.lock, now.key) == ("done", then.spec, then.lock, then.key)
    assert now.derived_from == then.key
    assert now.overrides == [TO]
    assert [Path(line).name for line in said.out.splitlines()] == [output.file for output in then.outputs]


def test_across_processes(zygote: Zygote, here: Path) -> None:
    (here / "outputs").rename(here / "cells")
    before = left_behind(here)
    done = zygote.run("rerun", "--verify", ".", cwd=here)
    assert (done.status, done.out) == (0, "3 cells: 3 identical, 0 different\n"), done.err
    assert left_behind(here) == before


def test_a_record_by_its_path(tcd: Tcdflow, here: Path) -> None:
    shutil.copy("outputs/text/run.json", "kept.json")
    for path, where in (("outputs/text/run.json", "one"), ("kept.json", "other")):
        assert tcd("rerun", path, f"hydra.run.dir={where}").status == 0
        assert pixels(here / where) == pixels(here / "outputs/text")


@pytest.mark.parametrize("name", ["000.png", "001.png"])
def test_a_image_of_several_alone_makes_itself(name: str, tcd: Tcdflow, here: Path) -> None:
    (here / "alone").mkdir()
    shutil.copy(f"outputs/text/{name}", "alone/found.png")
    assert tcd("rerun", "alone/found.png", TO).status == 0
    then, now = document.read(here / "outputs/text"), document.read(here / "again")
    wanted = next(output for output in then.outputs if output.file == name)
    assert [(o.seed, o.pixel_sha256) for o in now.outputs] == [(wanted.seed, wanted.pixel_sha256)]
    assert now.derived_from == then.key
    assert tcd("rerun", "alone/found.png", "--verify").out == "found.png: identical\n"


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_other_formats(kind: str, tcd: Tcdflow, here: Path) -> None:
    tcdflow.run("prompt=a fox", "sampling.steps=2", f"output.format={kind}", "hydra.run.dir=outputs/other")
    (output,) = document.read(here / "outputs/other").outputs
    (here / "alone").mkdir()
    shutil.copy(here / "outputs/other" / output.file, "alone")
    for path in ("outputs/other", f"outputs/other/{output.file}", f"alone/{output.file}"):
        said = tcd("rerun", path, "--verify")
        assert (said.status, said.out) == (0, f"{output.file}: identical\n")


def test_a_image_without_metadata_is_known_by_the_record_beside_it(tcd: Tcdflow, here: Path) -> None:
    tcdflow.run("prompt=a fox", "sampling.steps=2", "output.metadata=none", "hydra.run.dir=outputs/bare")
    assert tcd("rerun", "outputs/bare/000.png", "--verify").status == 0
    shutil.copy("outputs/bare/000.png", "bare.png")
    said = tcd("rerun", "bare.png")
    assert said.status == 2
    assert "carries no recipe" in said.err


def test_a_run_writes_where_any_run_does(tcd: Tcdflow, here: Path) -> None:
    before = set(left_behind(here / "outputs"))
    said = tcd("rerun", "outputs/image")
    (made,) = said.out.splitlines()
    assert Path(made).resolve().relative_to(here / "outputs").parts[0].startswith("2")
    new = set(left_behind(here / "outputs")) - before
    assert {Path(name).name for name in new} >= {"run.json", "run.log", "000.png", ".hydra"}


def test_it_does_not_replace_the_original(tcd: Tcdflow, here: Path) -> None:
    for path in ("outputs/text", "outputs/text/run.json", "outputs/text/001.png"):
        said = tcd("rerun", path, "hydra.run.dir=outputs/../outputs/text", "--verify")
        assert said.status == 2
        assert "hydra.run.dir" in said.err
    assert (here / "outputs/text/001.png").exists()


def test_a_stack_on_another_base(standins: StandIns, thin: Thin, tcd: Tcdflow, zygote: Zygote, here: Path) -> None:
    tcdflow.run(
        "base=sd15",
        "base.size=64",
        f"base.source={standins.sd15}",
        f"loras.tcd.source={thin('sd15', 'tcd')}",
        f"loras.style.source={thin('sd15', 'style')}",
        "loras.style.weight=0.6",
        "lora_stack.fuse=false",
        "sampling.steps=2",
        "hydra.run.dir=outputs/stack",
    )
    assert tcd("rerun", "outputs/stack/000.png", "--verify").out == "000.png: identical\n"
    done = zygote.run("rerun", "outputs/stack", "--verify", TO, cwd=here)
    assert done.out.splitlines()[-1] == "000.png: identical", done.err
    assert [lora["name"] for lora in document.read(here / "again").execution["loras"]] == ["tcd", "style"]


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_an_animation_by_its_sidecar(kind: str, standins: StandIns, tcd: Tcdflow, here: Path) -> None:
    tcdflow.run(
        "base=sd15",
        "base.size=32",
        f"base.source={standins.sd15}",
        "loras=[]",
        "task=animation",
        "task.num_frames=2",
        "adapters.motion.kind=motion_adapter",
        "adapters.motion.family=sd15",
        f"adapters.motion.source={standins.motion_adapter('v1-5')}",
        "sampling.steps=1",
        f"output.animation={kind}",
        "hydra.run.dir=outputs/moving",
    )
    (here / "alone").mkdir()
    name = f"animation.{kind}"
    for file in (name, "animation.json"):
        shutil.copy(f"outputs/moving/{file}", "alone")
    assert read_recipe(here / "alone" / name)["spec"]["task"]["name"] == "animation"
    for path in ("outputs/moving", f"alone/{name}", "alone/animation.json"):
        assert tcd("rerun", path, "--verify").out == f"{name}: identical\n"


def test_from_another_working_directory(
    tcd: Tcdflow, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tcd("rerun", "here/outputs/text", "--verify").status == 0
    assert tcd("rerun", "here/outputs/text/001.png", "hydra.run.dir=made").status == 0
    assert (tmp_path / "made/000.png").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "name what is to be made again"),
        (("nothing",), "nothing: cannot be read: No such file or directory"),
        (("outputs",), "outputs/run.json: cannot be read"),
        (("outputs/text/.hydra/config.yaml",), "JPEG, MP4, PNG or WebP"),
        (("shape.png",), "carries no recipe"),
        (("outputs/text", "shape.png"), "unknown override"),
        (("outputs/text", "--verfy"), "unrecognized arguments: --verfy"),
        (("outputs/text", "hydra.run.dir="), "hydra.run.dir: must not be empty"),
        (("outputs/text", "sampling.seed=range(3)"), "has several values"),
    ],
)
def test_what_cannot_be_made_again(argv: tuple[str, ...], words: str, tcd: Tcdflow, here: Path) -> None:
    before = left_behind(here)
    said = tcd("rerun", *argv)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert words in said.err
    assert left_behind(here) == before


def test_a_run_that_ended_early(tcd: Tcdflow, here: Path) -> None:
    """It can be made once its files are known; one that was killed before that has to be run again."""
    record = document.read(here / "outputs/image")
    record.outputs, record.status = [], "running"
    record.write(here / "outputs/image")
    (here / "outputs/image/000.png").unlink()
    assert "no images to compare with: its status is running" in tcd("rerun", "outputs/image", "--verify").err
    assert tcd("rerun", "outputs/image", TO).status == 0
    record.lock, record.key = [], None
    record.write(here / "outputs/image")
    said = tcd("rerun", "outputs/image")
    assert said.status == 2 and "its lock is empty" in said.err


class TestVariations:
    """Overrides change a recorded spec, and the record says what it came from."""

    def test_a_value(self, tcd: Tcdflow, here: Path) -> None:
        said = tcd("rerun", "outputs/text", "sampling.eta=0.9", "prompt=a fox, red", "~loras.tcd", TO)
        assert said.status == 0, said.err
        then, now = document.read(here / "outputs/text"), document.read(here / "again")
        assert (now.spec["sampling"]["eta"], now.spec["prompt"], now.spec["loras"]) == (0.9, "a fox, red", {})
        assert {file.role for file in now.lock} == {"base"}
        assert now.derived_from == then.key != now.key
        recipe = read_recipe(here / "again/000.png")
        assert recipe["spec"] == now.spec

    @pytest.mark.parametrize(
        ("override", "words"),
        [
            ("sampling.stpes=4", "did you mean 'steps'?"),
            ("sampling.eta=4", "at most 1"),
            ("scheduler=ddim", "scheduler.name=..."),
            ("experiment=quickstart", "a record has none"),
            ("loras=[tcd]", "~loras.NAME"),
            ("sampling.seed=1,2", "several values"),
            ("sampling.width=${base.size}", "nothing is interpolated"),
            ("prompt=${oc.env:HOME}", "nothing is interpolated"),
            ("prompt.x=1", "holds a value"),
            ("~sampling.nothing", "no such key"),
            ("+a._target_=os.system", "would name Python to run"),
            ("hydra.callbacks.x._target_=os.system", "only hydra.run.dir"),
            ("hydra.job.chdir=true", "only hydra.run.dir"),
            ("nonsense", "unknown override"),
            ("sampling.width=70", "multiple of"),
        ],
    )
    def test_a_wrong_one(self, override: str, words: str, tcd: Tcdflow, here: Path) -> None:
        before = left_behind(here)
        said = tcd("rerun", "outputs/text", override)
        assert (said.status, said.out) == (2, "")
        assert words in said.err
        assert said.err.count("\n") == 1
        assert left_behind(here) == before

    def test_all_wrong_ones_at_once(self, tcd: Tcdflow) -> None:
        said = tcd("rerun", "outputs/text", "sampling.eta=4", "sampling.stpes=1", "scheduler=ddim")
        assert said.err.startswith("tcdflow: 3 things are wrong:")

    def test_a_variation_of_a_variation(self, tcd: Tcdflow, here: Path) -> None:
        tcd("rerun", "outputs/image", "sampling.seed=7", TO)
        tcd("rerun", "again", "sampling.seed=8", "hydra.run.dir=third")
        keys = [json.loads((here / name / "run.json").read_text()) for name in ("outputs/image", "again", "third")]
        assert [record["derived_from"] for record in keys] == [None, keys[0]["key"], keys[1]["key"]]
