"""``tcdflow measure``: numbers of images that are there, kept by what they are of and shown wherever runs are."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tcdflow.cli.command import dispatch
from tcdflow.errors import RunError
from tcdflow.evaluate.conditions import compared
from tcdflow.evaluate.evaluation import evaluate
from tcdflow.gallery.collect import collect
from tcdflow.results.results import Results
from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer, Subject
from tests.quick.gallery.conftest import shown
from tests.sweep.fake import FakeEngine, Sweep

PROMPTS = ("a fox", "a panda")
OVER = (f"prompt={','.join(PROMPTS)}", "sampling.seed=0,1")


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two sweeps: of two numbers of steps, of two images each, and of a teacher. Nobody changes them."""
    where = tmp_path_factory.mktemp("sweeps")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        Sweep(where / "steps", FakeEngine()).run(OVER[0], "sampling.num_images=2", "sampling.steps=2,4")
        teacher = ("loras=[]", "scheduler=ddim", "sampling.eta=0", "sampling.guidance_scale=4", "sampling.steps=20,50")
        Sweep(where / "teacher", FakeEngine()).run(*OVER, *teacher)
        yield where


class Counting(ImageMetric):
    """Measures how bright images are, and remembers of which prompts it was asked."""

    description = "brightness"
    better = "lower"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails_after = math.inf

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        return self._score

    def _score(self, subjects: Sequence[Subject]) -> list[float]:
        if len(self.asked) >= self.fails_after:
            raise KeyboardInterrupt
        self.asked += [one.prompt for one in subjects]
        return [float(np.asarray(one.image).mean()) for one in subjects]


@pytest.fixture
def counting() -> Iterator[Counting]:
    with METRICS.including("counting", metric := Counting()):
        yield metric


def measures(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "measures.json").read_text("utf-8"))["measures"]
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert dispatch(["measure", *words]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


def test_images_are_held_against_those_of_equal_prompt_and_seed(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["measure", "steps", "psnr", "--against", "teacher", "scheduler=ddim", "sampling.steps=50"]) == 0
    found = measures("steps")["psnr"]
    teachers = {(one["prompt"], one.seed): one for one in Results.of([Path("teacher")]).filter("sampling.steps=50")}
    images = list(Results.of([Path("steps")]))
    assert len(images) == 8 and len(found["runs"]) == 4
    for image in images:
        other = teachers[image["prompt"], image.seed]
        run = found["runs"][image.key]
        place = image.shown.number
        error = ((np.asarray(image.image, dtype=float) - np.asarray(other.image, dtype=float)) ** 2).mean()
        assert run["images"][place] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-3)
        assert run["reference"][place] == other.key
        assert image.metrics["psnr"] == run["images"][place], "each image has its own, not the mean of its run"
    said = capsys.readouterr()
    assert "8 numbers measured" in said.err, "one for each image, though runs have two"
    rows = [row.split() for row in said.out.splitlines() if "steps=" in row]
    numbers = [[one.metrics["psnr"] for one in images if one["sampling.steps"] == 2 and one.seed == n] for n in (0, 1)]
    mean, spread = np.mean(numbers), np.std(np.mean(numbers, axis=1), ddof=1)
    assert float(rows[0][1]) == pytest.approx(float(mean), rel=1e-3)
    assert float(rows[0][3]) == pytest.approx(float(spread), rel=0.05)


def test_a_mean_over_a_run_has_no_spread_over_its_images(at: Path) -> None:
    found = evaluate(compared(collect([Path("steps")]).images), None, ())
    assert all("sharpness" in row.means and "sharpness" not in row.spreads for row in found.rows)
    other = evaluate(compared(collect([Path("teacher")]).images), None, ())
    assert all(row.spreads["sharpness"] > 0 for row in other.rows)


def test_numbers_are_wherever_runs_are_shown(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["measure", "teacher", "psnr", "complexity", "--against", "sampling.steps=50"]) == 0
    table = capsys.readouterr().out
    results = Results.of([Path("teacher")])
    measured = [image for image in results if "psnr" in image.metrics]
    assert {image["sampling.steps"] for image in measured} == {20} and len(measured) == 4
    assert f"{np.mean([image.metrics['psnr'] for image in measured]):.4g}" in table and "steps=20" in table
    data = shown(Path("teacher"))
    assert [(one["name"], one["better"]) for one in data["metrics"] if one["name"] == "psnr"] == [("psnr", "high")]
    rows = list(csv.DictReader(Path("teacher/images.csv").read_text("utf-8").splitlines()))
    assert [float(row["psnr"]) for row in rows if row["psnr"]] == [image.metrics["psnr"] for image in measured]
    assert {image.metrics.get("psnr") for image in Results.of([Path("teacher"), Path("steps")])} >= {
        image.metrics["psnr"] for image in measured
    }
    capsys.readouterr()
    assert dispatch(["show", str(measured[0].directory)]) == 0
    assert f"psnr {measured[0].metrics['psnr']:g} against sampling.steps=50" in capsys.readouterr().out


def test_records_and_results_stay_as_they_are(at: Path) -> None:
    before = {path: path.read_bytes() for path in Path("teacher").rglob("*") if path.is_file()}
    assert dispatch(["measure", "teacher", "psnr", "--against", "sampling.steps=50"]) == 0
    after = {path: path.read_bytes() for path in Path("teacher").rglob("*") if path.is_file()}
    assert set(after) - set(before) == {Path("teacher/measures.json")}
    assert all(after[path] == content for path, content in before.items())


def test_only_what_is_missing_is_measured_again(at: Path, counting: Counting) -> None:
    assert dispatch(["measure", "steps", "counting"]) == 0
    assert len(counting.asked) == 8
    first = measures("steps")
    assert dispatch(["measure", "steps", "counting"]) == 0
    assert len(counting.asked) == 8 and measures("steps") == first
    images = list(Results.of([Path("steps")]))
    image = images[0]
    del first["counting"]["runs"][image.key]
    Path("steps/measures.json").write_text(json.dumps({"kind": "measures", "tcdflow": "", "measures": first}))
    assert dispatch(["measure", "steps", "counting"]) == 0
    assert counting.asked[8:] == [image["prompt"]] * 2


def test_an_interrupt_loses_nothing_that_was_measured(at: Path, counting: Counting) -> None:
    Sweep(at / "many", FakeEngine()).run("sampling.seed=range(20)")
    counting.fails_after = 16
    assert dispatch(["measure", "many", "counting"]) == 130
    assert len(measures("many")["counting"]["runs"]) == 16
    counting.fails_after = math.inf
    assert dispatch(["measure", "many", "counting"]) == 0
    assert len(counting.asked) == len(measures("many")["counting"]["runs"]) == 20


def test_numbers_of_other_images_are_not_shown(at: Path, counting: Counting) -> None:
    assert dispatch(["measure", "steps", "counting"]) == 0
    image = next(iter(Results.of([Path("steps")])))
    path = image.directory / "run.json"
    record = json.loads(path.read_text("utf-8"))
    record["outputs"][0]["pixel_sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    having = [one.key for one in Results.of([Path("steps")]) if "counting" in one.metrics]
    assert image.key not in having and len(having) == 6


def test_an_image_that_was_changed_is_left_out(
    at: Path, counting: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(iter(Results.of([Path("steps")])))
    assert image.path is not None
    Image.new("RGB", image.image.size).save(image.path)
    assert dispatch(["measure", "steps", "counting"]) == 0
    assert "counting: 1 run left out" in (err := capsys.readouterr().err) and "it was changed since" in err
    assert image.key not in measures("steps")["counting"]["runs"]


def test_another_reference_takes_the_place_of_the_first(at: Path) -> None:
    for steps in (20, 50):
        assert dispatch(["measure", "steps", "psnr", "--against", "teacher", f"sampling.steps={steps}"]) == 0
        wanted = {image.key for image in Results.of([Path("teacher")]).filter(f"sampling.steps={steps}")}
        runs = measures("steps")["psnr"]["runs"].values()
        assert {key for run in runs for key in run["reference"]} == wanted


def test_qualities_are_conditions_of_their_own(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Sweep(at / "q", FakeEngine()).run("output=jpeg", "output.quality=10,50,100", "sampling.seed=0,1")
    for said in ("4 numbers measured", "0 numbers measured, 4 kept"):
        assert dispatch(["measure", "q", "psnr", "--against", "output.quality=100"]) == 0
        out, err = capsys.readouterr()
        assert said in err and all(f"quality={quality}" in out for quality in (10, 50, 100))
    found = Results.of([Path("q")])
    worst, better = ([one.metrics["psnr"] for one in found.filter(f"output.quality={q}")] for q in (10, 50))
    assert len(worst) == len(better) == 2 and max(worst) < min(better)
    assert not any("psnr" in one.metrics for one in found.filter("output.quality=100"))
    assert len(measures("q")["psnr"]["runs"]) == 4, "two runs have a key, and numbers, of their own"


def test_ways_of_computing_are_conditions_where_they_share_prompts_and_seeds(at: Path) -> None:
    Sweep(at / "ways", FakeEngine()).run("runtime.channels_last=false,true", "sampling.seed=0,1")
    found = compared(collect([Path("ways")]).images)
    assert [one.label for one in found.conditions] == ["channels_last=false", "channels_last=true"]
    assert dispatch(["measure", "ways", "psnr", "--against", "runtime.channels_last=false"]) == 0
    numbers = [one.metrics["psnr"] for one in Results.of([Path("ways")]).filter("runtime.channels_last=true")]
    assert len(numbers) == 2 and min(numbers) > 300, "of identical images"


def test_machines_share_the_prompts_of_one_condition(at: Path) -> None:
    Sweep(at / "one", FakeEngine()).run("runtime.batch_size=1", "prompt=a fox")
    Sweep(at / "two", FakeEngine()).run("runtime.batch_size=4", "prompt=a panda")
    (one,) = compared(collect([Path("one"), Path("two")]).images).conditions
    assert [len(images) for images in one.sets] == [2]


def test_what_has_no_reference_is_left_out(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Sweep(at / "other", FakeEngine()).run("sampling.width=64,72", "sampling.seed=0,7", "prompt=a fox")
    assert dispatch(["measure", "other", "psnr", "--against", "teacher", "sampling.steps=50"]) == 0
    err = capsys.readouterr().err
    assert "psnr: 2 runs left out: the reference has no image of the prompt and seed" in err
    assert "psnr: 1 run left out: of 72 × 64, and the reference of 64 × 64" in err
    assert len(measures("other")["psnr"]["runs"]) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("steps", "psnr"), "--against: must be given for psnr"),
        (("steps", "pnsr"), "did you mean 'psnr'?"),
        (("steps", "lpips"), "its networks come with torchvision"),
        (("steps", "FID"), "tcdflow evaluate"),
        (("steps", "seconds"), "is in the record of each run already"),
        (("steps", "psnr=x"), "psnr takes no model"),
        (("steps", "clip="), "names no model"),
        (("steps", "sharpness", "--against", "sampling.steps=4"), "--against: has no effect on sharpness"),
        (("steps",), "name what is to be measured"),
        ((), "name a directory"),
        (("nowhere", "sharpness"), "nowhere"),
        (("steps", "psnr", "--against", "sampling.steps=3"), "there are sampling.steps=2, sampling.steps=4"),
        (("steps", "psnr", "--against", "prompt=a fox"), "2 fulfil it: add what tells one of them from the others"),
        (("steps", "psnr", "--against", "teacher"), "they are (steps=20), (steps=50)"),
        (("steps", "psnr", "--against", "loras=[]"), "there are (loras=[tcd])"),
        (("steps", "psnr", "--against", "scheduler=dim"), "scheduler.name=tcd"),
        (("steps", "psnr", "--against", "steps"), "2 fulfil it"),
        (("steps", "sharpness", "--over", "task.imag"), "--over"),
        (("steps", "clip=nowhere/"), "clip: 'nowhere/'"),
    ],
)
def test_what_is_wrong_is_told(at: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refused(capsys, *words)
    assert not Path("steps/measures.json").exists()


@pytest.mark.parametrize(
    "content", ["[]", '{"kind": "measures"}', '{"kind": "m", "tcdflow": "", "measures": {"psnr": {"runs": 3}}}', "\0"]
)
def test_a_file_that_is_none_is_a_note(at: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("steps/measures.json").write_text(content)
    results = Results.of([Path("steps")])
    assert len(results) == 8 and any("measures.json" in note for note in results.notes)
    assert "measures.json" in refused(capsys, "steps", "sharpness")


def test_numbers_of_an_untrusted_file_are_finite_and_of_known_metrics(at: Path) -> None:
    assert dispatch(["measure", "steps", "sharpness"]) == 0
    found = measures("steps")
    key, run = next(iter(found["sharpness"]["runs"].items()))
    for name, value in {"psnr": "1e999", "fake\x1b": "1", "clip_\x1b[31mx": "2"}.items():
        found[name] = {"runs": {key: {**run, "images": [float(value)] * 2}}}
    text = json.dumps({"kind": "measures", "tcdflow": "", "measures": found}).replace("Infinity", "1e999")
    Path("steps/measures.json").write_text(text)
    image = next(one for one in Results.of([Path("steps")]) if one.key == key)
    assert "psnr" not in image.metrics and "fake\x1b" not in image.metrics
    assert image.metrics["clip_\x1b[31mx"] == 2
    page = Path("steps/index.html")
    shown(Path("steps"))
    assert "\x1b" not in page.read_text("utf-8")


def test_what_a_scorer_cannot_measure_ends_it(at: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(subjects: Sequence[Subject]) -> list[float]:
        raise RunError("counting: the model gives no numbers")

    monkeypatch.setattr(counting, "_score", fail)
    assert dispatch(["measure", "steps", "counting"]) == 1
    assert not Path("steps/measures.json").exists()
