"""What commit 958240d left behind is made again: runs, their images alone, and sweeps.

``958240d/`` holds what that commit wrote, except for logs and ``.hydra/``. Its plans were made where tcdflow lay in
another directory than here, and the last cell of ``sweep_half`` was removed.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tcdflow import embedded
from tcdflow.config.compose import Composer
from tcdflow.record import document
from tcdflow.record.document import Record
from tcdflow.record.key import run_key
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import frames_of, frames_sha256, pixel_sha256
from tcdflow.rerun.compare import Distance, distance
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import plan as plans
from tests.helpers import Answer
from tests.zygote.client import Zygote

MADE = Path(__file__).with_name("958240d")
RECORDS = sorted(path.relative_to(MADE).as_posix() for path in MADE.rglob("run.json"))
RUNS = [record.rpartition("/")[0] for record in RECORDS if record.count("/") == 1]
IMAGES = [f"{run}/{output.file}" for run in RUNS for output in document.read(MADE / run).outputs]
Tcdflow = Callable[..., Answer]
ANIMATIONS = json.loads((MADE / "animations/expected.json").read_text("utf-8"))

THREADS = document.read(MADE / "png").environment["threads"]

NEAR = {".png": 2, ".jpg": 8, ".webp": 8}
"""Of 255: how far the rounding of another kind of CPU, or of another torch, may carry; lossy formats round again."""


@pytest.fixture(scope="module")
def same_rounding() -> bool:
    """Whether this machine rounds as the one of the records did: plain diffusers makes the recorded pixels."""
    import torch
    from diffusers import StableDiffusionPipeline, TCDScheduler

    then = document.read(MADE / "png")
    folder = embedded.model_path("emoji")
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(embedded.lora_path("emoji"))
    pipe.fuse_lora()
    pipe.set_progress_bar_config(disable=True)
    spec = RunSpec.model_validate(then.spec)
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    made = pipe(
        prompt=spec.prompt,
        num_inference_steps=spec.sampling.steps,
        eta=spec.sampling.eta,
        guidance_scale=spec.sampling.guidance_scale,
        width=spec.width,
        height=spec.height,
        generator=torch.Generator("cpu").manual_seed(spec.sampling.seeds[0]),
    )
    torch.set_num_threads(threads)
    return pixel_sha256(made.images[0]) == then.outputs[0].pixel_sha256


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of it all: inputs are named relative to it."""
    shutil.copytree(MADE, tmp_path / "at")
    monkeypatch.chdir(tmp_path / "at")
    return tmp_path / "at"


@pytest.fixture
def tcd(at: Path, zygote: Zygote) -> Tcdflow:
    """Run a command in that directory, on as many threads as then: one rounds otherwise than two."""
    return lambda *argv: zygote.run(*argv, cwd=at, env={"OMP_NUM_THREADS": str(THREADS)})


class Reruns:
    """Runs made again from their directories, from a record, and from each image where nothing lies beside it."""

    def __init__(self, at: Path, zygote: Zygote, same_rounding: bool) -> None:
        self._same_rounding = same_rounding
        for image in IMAGES:
            (at / "alone" / image).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(MADE / image, at / "alone" / image)
        # One record is enough: it is found in a directory as well.
        paths = [*RUNS, "png/run.json", *(f"alone/{image}" for image in IMAGES)]
        self._made = {path: at / f"again/{number}" for number, path in enumerate(paths)}
        argvs = [["rerun", path, "--verify", f"hydra.run.dir={made}"] for path, made in self._made.items()]
        answers = zygote.answers(argvs, cwd=at, warm=True, env={"OMP_NUM_THREADS": str(THREADS)})
        self._answers = dict(zip(paths, answers, strict=True))

    def hold(self, path: str, images: Sequence[str]) -> Record:
        """Compare what was made of ``path`` with the images of then, and return the new record."""
        (status, shown), directory = self._answers[path], self._made[path]
        again = document.read(directory)
        if self._same_rounding:
            said = shown.splitlines()[-len(images) :]
            assert (status, said) == (0, [f"{Path(image).name}: identical" for image in images])
        for image, output in zip(images, again.outputs, strict=True):
            far = distance(frames_of(MADE / image), frames_of(directory / output.file))
            assert isinstance(far, Distance) and far.largest <= NEAR[Path(image).suffix]
        return again


@pytest.fixture(scope="module")
def reruns(zygote: Zygote, same_rounding: bool, tmp_path_factory: pytest.TempPathFactory) -> Reruns:
    """All of them, made by one process and engine, as the lines of a shell are."""
    at = tmp_path_factory.mktemp("legacy") / "at"
    shutil.copytree(MADE, at)
    return Reruns(at, zygote, same_rounding)


def test_the_set_is_whole() -> None:
    assert (len(RUNS), len(IMAGES), len(RECORDS)) == (6, 8, 6 + 8 + 2)
    for run in RECORDS:
        for output in document.read_file(MADE / run).outputs:
            assert frames_sha256(frames_of((MADE / run).with_name(output.file))) == output.pixel_sha256


@pytest.mark.parametrize("record", RECORDS)
def test_keys_are_those_that_were_recorded(record: str, composer: Composer) -> None:
    then = document.read_file(MADE / record)
    assert run_key(RunSpec.model_validate(then.spec), then.lock) == then.key
    if then.derived_from is None:
        assert run_key(composer.compose(then.overrides).spec, then.lock) == then.key


@pytest.mark.parametrize("image", IMAGES)
def test_images_carry_the_recipe_of_their_record(image: str) -> None:
    recipe, then = read_recipe(MADE / image), document.read((MADE / image).parent)
    assert (recipe["spec"], recipe["tcdflow"]) == (then.spec, "0.1.0")
    assert recipe["lock"] == [file.model_dump() for file in then.lock]
    assert recipe["seed"] == next(output.seed for output in then.outputs if output.file == Path(image).name)


@pytest.mark.parametrize("path", [*RUNS, "png/run.json"])
def test_a_run_is_made_again_from_its_directory_or_record(path: str, reruns: Reruns) -> None:
    run = path.partition("/")[0]
    then = document.read(MADE / run)
    again = reruns.hold(path, [f"{run}/{output.file}" for output in then.outputs])
    assert (again.key, again.derived_from) == (then.key, then.key)
    assert RunSpec.model_validate(again.spec) == RunSpec.model_validate(then.spec)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_alone_is_made_again(image: str, reruns: Reruns) -> None:
    reruns.hold(f"alone/{image}", [image])


def test_a_sweep_is_verified(tcd: Tcdflow, same_rounding: bool) -> None:
    answer = tcd("rerun", "--verify", "sweep")
    if same_rounding:
        assert (answer.status, answer.out) == (0, "8 cells: 8 identical, 0 different\n")
    assert "could not be compared" not in answer.out
    assert all(int(most) <= NEAR[".png"] for most in re.findall(r"by at most (\d+) of 255", answer.out))


def test_a_finished_sweep_is_left_as_it_is(at: Path, tcd: Tcdflow) -> None:
    before = contents(at / "sweep/cells")
    answer = tcd("resume", "sweep")
    assert answer.status == 0 and "8 skipped" in answer.err
    assert contents(at / "sweep/cells") == before


def test_resume_makes_the_one_missing_cell(at: Path, tcd: Tcdflow, same_rounding: bool) -> None:
    sweep = at / "sweep_half"
    lines = [json.loads(line) for line in (sweep / "results.jsonl").read_text("utf-8").splitlines()]
    (missing,) = [line for line in lines if not (sweep / line["record"]).exists()]
    before = contents(sweep / "cells")
    answer = tcd("resume", "sweep_half")
    assert (answer.status, answer.out) == (0, f"sweep_half/{missing['picture']}\n")
    assert "3 cells in" in answer.err and ": 1 done, 2 skipped;" in answer.err
    after = contents(sweep / "cells")
    assert {name: after[name] for name in before} == before
    made = document.read_file(sweep / missing["record"])
    assert made.key == next(cell.key for cell in plans.read(sweep).cells if cell.name == missing["cell"])
    if same_rounding:
        assert made.outputs[0].pixel_sha256 == missing["pixel_sha256"]


@pytest.mark.parametrize("kind", ANIMATIONS)
def test_animations_decode_to_the_recorded_frames(kind: str) -> None:
    frames = list(frames_of(MADE / f"animations/animation.{kind}"))
    expected = ANIMATIONS[kind]
    assert (len(frames), list(frames[0].size)) == (expected["frames"], expected["size"])
    assert frames_sha256(frames) == expected["pixel_sha256"]


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
