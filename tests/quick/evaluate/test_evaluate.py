"""``tcdflow evaluate``: conditions of sweeps on the same prompts, held against a reference."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.evaluate.conditions import compared
from tcdflow.gallery.collect import collect
from tests.quick.gallery.conftest import shown
from tests.sweep.fake import FakeEngine, Sweep

PROMPTS = ("a fox", "a panda", "a red heart")
OVER = (f"prompt={','.join(PROMPTS)}", "sampling.seed=0,1")


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two sweeps: of two numbers of steps, and of a teacher with guidance. Nobody changes them."""
    where = tmp_path_factory.mktemp("sweeps")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        Sweep(where / "steps", FakeEngine()).run(*OVER, "sampling.steps=2,4")
        teacher = ("loras=[]", "scheduler=ddim", "sampling.eta=0", "sampling.guidance_scale=4", "sampling.steps=2")
        Sweep(where / "teacher", FakeEngine()).run(*OVER, *teacher)
        yield where


def evaluated(*words: str, folder: str = "steps") -> dict[str, Any]:
    assert dispatch(["evaluate", *words]) == 0
    found: dict[str, Any] = json.loads(Path(folder, "evaluation.json").read_text("utf-8"))
    return found


def test_conditions_are_all_but_prompt_and_seed(sweeps: Path) -> None:
    found = compared(collect([sweeps / "steps", sweeps / "teacher"]).images)
    assert [(one.unet_calls, len(one.sets)) for one in found.conditions] == [(2, 2), (4, 2), (4, 2)]
    assert {one.label.partition(" ")[0] for one in found.conditions} == {"scheduler=tcd", "scheduler=ddim"}
    assert found.prompts == [*PROMPTS] and not found.warnings
    for one in found.conditions:
        assert [{image.seed for image in images} for images in one.sets] == [{0}, {1}]
        prompts = [[json.loads(image.run.settings["prompt"]) for image in images] for images in one.sets]
        assert prompts == [list(PROMPTS)] * 2


def test_files_say_what_the_terminal_says(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(
        "steps", "teacher", "--reference", "teacher", "--features", "pixels", "--output", "both", folder="both"
    )
    out, err = capsys.readouterr()
    assert (found["sets"], found["images_of_a_set"], found["reference"]["images"]) == (2, 3, 6)
    assert [one["unet_calls"] for one in found["conditions"]] == [2, 4, 4]
    rows = list(csv.DictReader(Path("both/evaluation.csv").read_text("utf-8").splitlines()))
    for row, one in zip(rows, found["conditions"], strict=True):
        assert float(row["frechet_pixels"]) == one["mean"]["frechet_pixels"]
        assert one["condition"] in out and f"{one['mean']['frechet_pixels']:.4g}" in out
        numbers = [each["frechet_pixels"] for each in one["sets"]]
        assert one["mean"]["frechet_pixels"] == pytest.approx(sum(numbers) / 2, rel=1e-4)
        assert one["spread"]["frechet_pixels"] == pytest.approx(abs(numbers[0] - numbers[1]) / 2**0.5, rel=0.02)
    teacher = next(one for one in found["conditions"] if "ddim" in one["condition"])
    assert teacher["mean"]["accuracy_pixels"] == 1
    assert "frechet_pixels" in teacher["best_at_its_calls"] and "is (part of) the reference itself" in err


def test_the_gallery_shows_the_numbers(at: Path) -> None:
    found = evaluated("steps", "--reference", "teacher", "--features", "pixels")
    data = shown(Path("steps"))
    assert {"frechet_pixels", "accuracy_pixels"} <= {metric["name"] for metric in data["metrics"]}
    assert [metric["better"] for metric in data["metrics"] if metric["name"] == "frechet_pixels"] == ["low"]
    means = {one["mean"]["frechet_pixels"] for one in found["conditions"]}
    assert {cell["metrics"]["frechet_pixels"] for cell in data["cells"]} == means
    Path("steps/evaluation.json").write_text('{"kind": "evaluation", "runs": {"x": 3}}')
    assert "frechet_pixels" not in {metric["name"] for metric in shown(Path("steps"))["metrics"]}


def test_formats_and_qualities_have_their_own_numbers(at: Path) -> None:
    quality = ("output=jpeg", "output.quality=5,95", "sampling.steps=2")
    Sweep(at / "written", FakeEngine()).run(*OVER, *quality)
    found = evaluated("written", "--reference", "teacher", "--features", "pixels", folder="written")
    assert {one["condition"] for one in found["conditions"]} == {"quality=5", "quality=95"}
    means = {one["mean"]["frechet_pixels"] for one in found["conditions"]}
    assert len(means) == 2
    assert {cell["metrics"]["frechet_pixels"] for cell in shown(Path("written"))["cells"]} == means


def test_a_folder_with_captions_is_a_reference(at: Path) -> None:
    folder = Path("images")
    folder.mkdir()
    for number, image in enumerate(collect([Path("teacher")]).images):
        shutil.copy(image.path, folder / f"{number}.png")
        prompt = json.loads(image.run.settings["prompt"])
        (folder / f"{number}.txt").write_text(f" {prompt.upper()} " if number else "something else")
    found = evaluated("teacher", "--reference", "images", "--features", "pixels", folder="teacher")
    (one,) = found["conditions"]
    assert one["mean"]["accuracy_pixels"] == pytest.approx(5 / 6, rel=1e-3)
    assert one["mean"]["frechet_pixels"] > 0


def test_what_is_not_everywhere_is_left_out_and_said(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = collect([Path("steps")]).images
    lost = next(image for image in images if image.seed == 1 and '"a fox"' in image.run.settings["prompt"])
    shutil.rmtree(lost.run.directory)
    found = evaluated("steps")
    assert (found["sets"], found["prompts"]) == (2, ["a panda", "a red heart"])
    assert "1 prompt left out, not there in all conditions and sets: 'a fox'" in found["warnings"]
    assert "'a fox'" in capsys.readouterr().err


def test_a_file_with_other_bytes_is_another_condition(at: Path) -> None:
    path = next(Path("steps").rglob("run.json"))
    record = json.loads(path.read_text("utf-8"))
    assert record["lock"]
    before = len(compared(collect([Path("steps")]).images).conditions)
    for other in Path("steps").rglob("run.json"):
        record = json.loads(other.read_text("utf-8"))
        if record["spec"]["sampling"]["seed"] == 1 and record["spec"]["sampling"]["steps"] == 2:
            record["lock"][-1]["sha256"] = "0" * 64
            other.write_text(json.dumps(record), "utf-8")
    found = compared(collect([Path("steps")]).images)
    assert len(found.conditions) == before + 1
    assert any("differ in more, or in the bytes of their files" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name what is to be compared"),
        (("steps", "teacher"), "--output is needed"),
        (("nowhere",), "nowhere: is not a directory"),
        (("steps", "--features", "pixels"), "no effect without --reference"),
        (("steps", "--reference", "nowhere"), "--reference = 'nowhere': is not a directory"),
        (("steps", "--reference", "teacher", "sampling.steps=3"), "there are sampling.steps=2"),
        (("steps", "--reference", "teacher", "--features", "pixls"), "did you mean 'pixels'?"),
        (("steps", "--reference", "teacher", "--features", "./x"), "there is no such file or folder"),
        (("steps", "--over", "samplng.eta"), "did you mean 'sampling.eta'?"),
        (("steps", "--reference", "empty"), "holds fewer than two images"),
    ],
)
def test_a_mistake_is_one_line(at: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str) -> None:
    Path("empty").mkdir()
    assert dispatch(["evaluate", *words]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
