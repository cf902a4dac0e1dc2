"""Validation: it changes nothing of the LoRA, keeps the best, and shows itself in the gallery."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

import tcdflow
from tcdflow.distill.run import Progress, distil
from tcdflow.errors import RunError
from tcdflow.gallery.write import gallery
from tcdflow.results.results import Results
from tests.distill.conftest import Prepare
from tests.standins.gallery import page_data

LORA = "pytorch_lora_weights.safetensors"
PROMPTS = 'data.prompts=["a red heart","a fox","a dog","a cat"]'
OFF = (PROMPTS, "distill.checkpoint.every=3")
ON = (
    *OFF,
    "distill.validation.every=2",
    "distill.validation.count=2",
    "distill.validation.steps=[1,2]",
    "distill.validation.teacher_steps=2",
)


def run(path: Path, prepare: Prepare, *overrides: str, fail_at: int = 0) -> dict[str, Any]:
    """Distil, or fail right after a validation; return the record."""
    count = 0

    def on_validated() -> None:
        nonlocal count
        count += 1
        if count == fail_at:
            raise RunError("pulled the plug")

    progress = Progress(lambda d, t: None, lambda d: None, lambda d: None, on_validated, lambda texts: None)
    distil(path, prepare(*overrides), progress)
    found: dict[str, Any] = json.loads((path / "run.json").read_text("utf-8"))
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lines(path: Path) -> list[dict[str, Any]]:
    """The log without what differs from time to time."""
    found = [json.loads(line) for line in (path / "log.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in found]


@pytest.fixture(scope="module")
def whole(prepare_small: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("validated") / "out"
    run(path, prepare_small, *ON)
    return path


def test_the_lora_is_the_same_without(whole: Path, prepare_small: Prepare, tmp_path: Path) -> None:
    run(tmp_path / "out", prepare_small, *OFF)
    assert digest(tmp_path / "out/lora" / LORA) == digest(whole / "lora" / LORA)
    assert not (tmp_path / "out/validation").exists()
    assert [line for line in lines(whole) if "loss" in line] == lines(tmp_path / "out")


def test_numbers_and_the_best(whole: Path) -> None:
    validations = [line for line in lines(whole) if "validation" in line]
    assert [line["step"] for line in validations] == [2, 4]
    assert all(line["validation"].keys() == {"1", "2"} for line in validations)
    means = {line["step"]: sum(line["validation"].values()) / 2 for line in validations}
    record = json.loads((whole / "run.json").read_text("utf-8"))
    best = record["execution"]["validation"]["best"]
    assert best["step"] == min(means, key=means.__getitem__)
    assert best["distance"] == pytest.approx(min(means.values()), abs=1e-5)
    listed = {one["file"]: one["sha256"] for one in record["outputs"]}
    assert listed[f"best/{LORA}"] == digest(whole / "best" / LORA)
    if best["step"] == 4:
        assert listed[f"best/{LORA}"] == listed[f"lora/{LORA}"]


def test_the_last_step_makes_one(prepare_small: Prepare, tmp_path: Path) -> None:
    run(tmp_path / "out", prepare_small, *ON, "distill.validation.every=500", "distill.steps=1")
    assert [line["step"] for line in lines(tmp_path / "out") if "validation" in line] == [1]
    assert (tmp_path / "out/best" / LORA).is_file()


def test_a_sheet_has_a_row_a_prompt_and_a_column_a_number_of_steps(whole: Path) -> None:
    with Image.open(whole / "validation/00000004/sheet.webp") as sheet:
        assert sheet.width > 3 * 192 and sheet.height > 2 * 192
    record = json.loads((whole / "validation/00000004/validation.json").read_text("utf-8"))
    assert [(image["steps"], image["output"]["seed"]) for image in record["images"]] == [(1, 0), (1, 0), (2, 0), (2, 0)]


@pytest.mark.slow
def test_it_draws_what_runs_draw(whole: Path) -> None:
    """The LoRA's images are those of a run with the exported file, the teacher's those of a run with guidance."""
    record = json.loads((whole / "validation/00000004/validation.json").read_text("utf-8"))
    prompt = json.dumps(record["images"][0]["prompt"])
    common = (f"prompt={prompt}", "sampling.seed=0", "sampling.eta=0", "runtime.device=cpu", "sampling.steps=2")
    teacher = ("loras=[]", "scheduler=ddim_trailing", "sampling.guidance_scale=4.5")
    for where, own in (("00000004/000-2", [f"loras.tcd.source={whole / 'lora' / LORA}"]), ("teacher/000", teacher)):
        made = tcdflow.run(*common, *own, f"hydra.run.dir={whole.parent / where}")
        with Image.open(whole / f"validation/{where}.png") as drawn:
            difference = ImageChops.difference(drawn.convert("RGB"), made.images[0])
        assert max(high for _, high in difference.getextrema()) <= 1, where  # type: ignore[misc]


@pytest.mark.parametrize("fail_at", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_failure_after_a_validation_changes_nothing(
    whole: Path, prepare_small: Prepare, tmp_path: Path, fail_at: int
) -> None:
    out = tmp_path / "out"
    with pytest.raises(RunError):
        run(out, prepare_small, *ON, fail_at=fail_at)
    record = run(out, prepare_small, *ON)
    assert lines(out) == lines(whole)
    for name in (f"lora/{LORA}", f"best/{LORA}", "best/validation.json", "validation/00000004/validation.json"):
        assert digest(out / name) == digest(whole / name)
    before = json.loads((whole / "run.json").read_text("utf-8"))
    assert record["execution"]["validation"] == before["execution"]["validation"]
    files = [[one for one in found["outputs"] if not one["file"].endswith(".md")] for found in (record, before)]
    assert files[0] == files[1]


def test_the_gallery_shows_images_and_curves(whole: Path) -> None:
    data = page_data(gallery([whole]).page)
    axes = {axis["key"]: [value["text"] for value in axis["values"]] for axis in data["axes"]}
    assert axes["distill.steps"] == ["2", "4"] and axes["validation.steps"] == ["teacher", "1", "2"]
    assert len(axes["prompt"]) == 2 and len(data["cells"]) == 12
    assert {(metric["name"], metric["better"]) for metric in data["metrics"]} >= {("distance", "low"), ("loss", None)}
    assert all(cell["file"] and (whole / cell["file"]).is_file() and not cell["again"] for cell in data["cells"])
    assert len({cell["id"] for cell in data["cells"]}) == 12
    results = Results.of([whole])
    assert results.filter("validation.steps=2", "distill.steps=4")[0].command.startswith("tcdflow distill ")


def test_what_is_damaged_is_a_reason(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out/validation/00000002/validation.json").write_text('{"step": "<script>"}')
    (cell,) = page_data(gallery([tmp_path / "out"]).page)["cells"]
    assert cell["status"] == "missing" and "validation" in (cell["reason"] or "")
    shutil.rmtree(tmp_path / "out/validation")
    record = json.loads((whole / "run.json").read_text("utf-8"))
    for status, says in (("done", "without validations ("), ("interrupted", "without validations so far (")):
        (tmp_path / "out/run.json").write_text(json.dumps({**record, "status": status}), "utf-8")
        (cell,) = page_data(gallery([tmp_path / "out"]).page)["cells"]
        assert says in (cell["reason"] or "")
