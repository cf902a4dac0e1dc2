"""A distillation's YAML is typed and checked like a run's: a line for each mistake, before torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.config.distill import DistillComposer
from tcdflow.config.places import files
from tcdflow.errors import ConfigError
from tcdflow.spec.data import Example
from tcdflow.spec.distill import DistillSpec
from tests.helpers import GLOBAL, Write

SD15 = ("base=sd15", "data.prompts=[a]")


@pytest.fixture(scope="module")
def distiller() -> DistillComposer:
    return DistillComposer()


def spec(distiller: DistillComposer, *overrides: str) -> DistillSpec:
    return distiller.distillation(overrides).spec


def refusal(distiller: DistillComposer, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        found = spec(distiller, *overrides)
        found.data.examples(found)
    return str(caught.value)


@pytest.mark.parametrize("name", [path.stem for path in files("distill")])
def test_presets(distiller: DistillComposer, name: str) -> None:
    found = spec(distiller, f"distill={name}", *SD15).distill
    assert found.description
    assert found.grid == 50


def test_a_number_is_a_range_of_guidance(distiller: DistillComposer) -> None:
    assert spec(distiller, "distill.guidance=7.5").distill.guidance == (7.5, 7.5)
    assert spec(distiller, "distill.guidance=[3,15]").distill.guidance == (3, 15)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("distill.stpes=3", "distill.stpes: unknown key; did you mean 'steps'? [distill.stpes=3]"),
        ("distill.rank=0", "distill.rank = 0: must be at least 1 and at most 1024"),
        ("distill.alpha=0", "distill.alpha = 0: must be above 0"),
        ("distill.ema=1", "distill.ema = 1: must be above 0 and below 1"),
        ("distill.guidance=[9,3]", "must begin with the smaller number"),
        ("distill.guidance=[1,2,3]", "a number, or a list of the least and the greatest such as [3,15]"),
        ("distill.grid=60", "must divide the 1000 training timesteps, as 50 does; samplers use 50"),
        ("distill.accumulation=3", "must divide distill.batch, which is 32"),
        ("distill.warmup=1000", "must be less than distill.steps, which is 1000"),
        ("distill.phases=3", "has no effect here; it is for pcm"),
        ("distill.method=ctm", "must be one of 'lcm', 'pcm', 'tcd', 'tdd', 'tscd'"),
        ("distill=tcdx", "did you mean 'tcd'?"),
        ("data=shadrs", "must be one of folder, shards, teacher"),
        ("data=shards data.shards=/nowhere", "no .tar file found"),
        ("distill.precision=float16 distill.device=cpu", "is too slow and too narrow on a cpu"),
        ("distill.loss=l2 distill.huber_c=1", "has no effect with distill.loss=l2"),
        ("distill=pcm distill.phases=51", "must be at most distill.grid, which is 50"),
        ("distill=tdd distill.schedules=[4,51]", "must be at most distill.grid, which is 50"),
        ("distill=tscd distill.segments=[51,1]", "must be at most distill.grid, which is 50"),
        ("base.size=65", "base.size = 65: must be a multiple of 8, such as 64"),
        ("base=sd15", "data.prompts_from = 'null': must name a file of prompts"),
        ("data.prompts_from=/nowhere/prompts.txt", "cannot be read: No such file"),
        ("data=folder", "data.folder: must be given, as data.folder=..."),
        ("data=folder data.folder=/nowhere", "folder not found"),
        ("sampling.steps=4", "sampling.steps: is for runs; a distillation has base, data, distill"),
        ("loras=[tcd]", "loras: is for runs"),
    ],
)
def test_a_mistake_is_one_line(distiller: DistillComposer, override: str, says: str) -> None:
    text = refusal(distiller, *override.split(" "))
    assert says in text
    assert "\n" not in text


def test_all_mistakes_at_once(distiller: DistillComposer) -> None:
    assert len(refusal(distiller, "distill.rank=0", "distill.bath=3", "data.steps=0").splitlines()) == 3


@pytest.mark.parametrize("override", ["distill.steps=3", "distill=tcd", "data=folder"])
def test_a_run_has_none_of_it(composer: Composer, override: str) -> None:
    with pytest.raises(ConfigError, match="is for distillations: tcdflow distill"):
        composer.compose([override])


def test_a_record_of_a_run_names_no_group_of_distillations(composer: Composer) -> None:
    assert {"distill", "data"}.isdisjoint(composer.compose([]).choices)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["distill.grid=25"], "sample with scheduler.original_inference_steps=25"),
        (["distill.guidance=1"], "distils the base without guidance"),
        (["distill.alpha=1000"], "multiplies the LoRA by 31.25"),
    ],
)
def test_what_is_probably_not_meant(overrides: list[str], says: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["distill", "--check", *overrides]) == 0
    out, err = capfd.readouterr()
    assert says in err
    assert out.startswith("base        embedded:emoji (emoji, epsilon)\n")


def test_check_says_what_it_takes(capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["distill", "--check", "distill.steps=12", "distill.batch=2"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "steps       12 of 2 examples, 1.0 times each\n" in out
    assert "LoRA        1,692,672 parameters, 6.8 MB" in out
    assert "memory      44.0 MB" in out


@pytest.mark.parametrize(("steps", "times"), [(3, "1 time"), (500, "1 time"), (501, "2 times"), (1000, "2 times")])
def test_the_last_step_validates_too(steps: int, times: str, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = [f"distill.steps={steps}", "distill.warmup=0"]
    assert dispatch(["distill", "--check", *wanted]) == 0
    assert f"validation  {times} 8 prompts in 1, 2, 4, 8 steps" in capfd.readouterr().out
    assert dispatch(["distill", "--check", *wanted, "distill.validation.every=0"]) == 0
    assert "validation" not in capfd.readouterr().out


def test_no_sweep(capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["distill", "-m", "distill.rank=1,2"]) == 2
    assert "--multirun: a distillation is no sweep" in capfd.readouterr().err


def test_an_embedded_base_knows_its_prompts(distiller: DistillComposer) -> None:
    found = spec(distiller)
    examples = found.data.examples(found)
    assert examples[:2] == [Example("a dog", seed=0), Example("a dog on a white background", seed=1)]
    assert len({one.caption for one in examples}) == 210 * 8


def test_count_and_prompts(distiller: DistillComposer, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a fox, sitting\n# no\na dog\n", "utf-8")
    found = spec(distiller, f"data.prompts_from={tmp_path}/prompts.txt", "data.count=3", "data.seed=5")
    captions = ("a fox, sitting", "a dog", "a fox, sitting")
    assert found.data.examples(found) == [Example(text, seed=5 + place) for place, text in enumerate(captions)]
    few = spec(distiller, "data.prompts=[a]", "distill.steps=3", "distill.batch=4")
    assert len(few.data.examples(few)) == 12


def image(path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(path)


def test_captions_beside_images(distiller: DistillComposer, tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg"):
        image(tmp_path / name)
        (tmp_path / name).with_suffix(".txt").write_text(f" caption of {name}\n", "utf-8")
    found = spec(distiller, "data=folder", f"data.folder={tmp_path}")
    assert [(one.caption, one.image) for one in found.data.examples(found)] == [
        ("caption of a.jpg", tmp_path / "a.jpg"),
        ("caption of b.png", tmp_path / "b.png"),
    ]
    (tmp_path / "a.txt").unlink()
    assert "a.jpg has no caption: write one into a.txt" in refusal(distiller, "data=folder", f"data.folder={tmp_path}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"file_name": "a.png"}, 'line 1: must be an object such as {"file_name": "001.png", "text": "a red fox"}'),
        ({"file_name": "../a.png", "text": "x"}, "file_name must be a path within the folder"),
        ({"file_name": "/a.png", "text": "x"}, "file_name must be a path within the folder"),
        ({"file_name": "gone.png", "text": "x"}, "gone.png"),
        ({"file_name": "a.png", "text": " "}, "a.png has no caption"),
        ({"file_name": "notes.png", "text": "x"}, "notes.png"),
    ],
)
def test_metadata(distiller: DistillComposer, tmp_path: Path, line: dict[str, str], says: str) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "notes.png").write_text("no image", "utf-8")
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    assert says in refusal(distiller, "data=folder", f"data.folder={tmp_path}")


def test_a_yaml_of_ones_own(configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
    root = configs({"mine.yaml": GLOBAL + "distill: {steps: 7, batch: 3}\ndata: {prompts: [a red heart]}\n"})
    assert dispatch(["distill", "--check", str(root / "mine.yaml")]) == 0
    assert "steps       7 of 3 examples, 1.0 times each\n" in capfd.readouterr().out


def test_configs_are_data(configs: Write) -> None:
    root = configs({"mine.yaml": GLOBAL + "data: {_target_: os.system}\n"})
    with pytest.raises(ConfigError, match="configs are data"):
        DistillComposer(experiment=root / "mine.yaml").distillation(["experiment=mine"])
