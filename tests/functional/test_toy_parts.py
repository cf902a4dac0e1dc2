"""A part of each kind, added here and nowhere else: validated, listed, in the schema, run, and in the record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pytest
from hydra.core.override_parser.types import Glob
from PIL import Image
from pydantic import Field

from tcdflow.cli.preview import sources
from tcdflow.config.compose import Composer
from tcdflow.config.file_axis import files
from tcdflow.engine.warm import WarmEngine
from tcdflow.parts.adapters._control import Controlled
from tcdflow.parts.families.stable_diffusion import StableDiffusion
from tcdflow.record.document import Record
from tcdflow.record.key import effect
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.rerun.source import find
from tcdflow.spec.adapter import ADAPTERS
from tcdflow.spec.family import FAMILIES
from tcdflow.spec.inputs import InputImages, Inputs, Size
from tcdflow.spec.keys import keys
from tcdflow.spec.model import RunSpec
from tcdflow.spec.needs import Need
from tcdflow.spec.preprocessor import PREPROCESSORS, Preprocessor
from tcdflow.spec.scheduler import SCHEDULERS, Scheduler
from tcdflow.spec.task import TASKS, Task
from tcdflow.spec.types import Int, SourceText
from tests.helpers import part, problems, run_composed

ENGINE = WarmEngine()


class Toy(Scheduler):
    """A scheduler that is Euler's under another name."""

    diffusers_class = "scheduling_euler_discrete:EulerDiscreteScheduler"
    a1111_name = "Toy sampler"

    name: Literal["toy"]
    steps_offset: Int | None = Field(None, ge=0, le=10, description="steps to skip")


class Posters(Preprocessor):
    """An image of few colours."""

    name: Literal["posters"]
    levels: Int = Field(2, ge=2, le=16, description="values a channel")

    def __call__(self, image: Image.Image, size: Size, models: Mapping[str, Path], device: Any) -> Image.Image:
        return image.point(lambda value: value // (256 // self.levels) * (256 // self.levels))


class Onlooker(Controlled):
    """An adapter that looks at an image and changes nothing."""

    kind: Literal["onlooker"]
    reference: SourceText = Field(description="path or URL of another image")

    def needs(self, role: str) -> Iterator[Any]:
        yield from (need for need in super().needs(role) if need.form == "image")
        yield Need(f"{role}.reference", f"{role}.reference", self.reference, "image")

    @classmethod
    def inputs(cls, adapters: Mapping[str, Self], images: InputImages, pipe: Any, spec: RunSpec) -> Inputs:
        return Inputs(
            shown={f"control_{name}": one.control_image(f"adapters.{name}", images) for name, one in adapters.items()}
        )


class Doodle(StableDiffusion):
    """Another family of the embedded model's layout, which draws from prompts alone."""

    summary = "doodles"
    pipelines: ClassVar = {"text_to_image": StableDiffusion.pipelines["text_to_image"]}


class Portrait(Task):
    """An image from a prompt, under another name."""

    name: Literal["portrait"]


def made(where: Path, *overrides: str) -> Record:
    composition = Composer().compose([*overrides, f"hydra.run.dir={where}"])
    record = run_composed(composition, ENGINE).record
    assert record.status == "done"
    assert find(where / record.outputs[0].file).spec == RunSpec.model_validate(record.spec), "read back from the image"
    return record


def choices(key: str) -> tuple[str, ...]:
    return next(known.choices for known in keys(RunSpec) if known.name == key)


def known(name: str) -> bool:
    return f'"{name}"' in json.dumps(RunSpec.model_json_schema())


def test_a_scheduler(tmp_path: Path, composer: Composer) -> None:
    assert "scheduler.name" in {problem.key for problem in problems(composer, "scheduler.name=toy")}
    with part(SCHEDULERS, "toy", Toy):
        assert "toy" in choices("scheduler.name") and known("toy")
        (problem,) = problems(composer, "scheduler.name=toy", "scheduler.steps_offset=11")
        assert (problem.key, problem.what) == ("scheduler.steps_offset", "must be at least 0 and at most 10")
        (problem,) = problems(composer, "scheduler.steps_offset=1")
        assert problem.what == "has no effect here; it is for toy"
        record = made(tmp_path / "run", "scheduler.name=toy", "scheduler.steps_offset=1", "prompt=a red heart")
        assert record.execution["scheduler"] == "EulerDiscreteScheduler"
        assert record.spec["scheduler"]["steps_offset"] == 1
        with Image.open(tmp_path / "run" / "000.png") as image:
            assert "Sampler: Toy sampler" in image.text["parameters"]  # type: ignore[attr-defined]
    assert not known("toy")


def test_a_preprocessor_and_an_adapter(tmp_path: Path, composer: Composer) -> None:
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(tmp_path / "given.png")
    said = [
        "adapters.eye.kind=onlooker",
        "adapters.eye.family=emoji",
        "adapters.eye.source=unread",
        f"adapters.eye.image={tmp_path / 'given.png'}",
        f"adapters.eye.reference={tmp_path / 'given.png'}",
        "adapters.eye.preprocessor.name=posters",
    ]
    assert {problem.key for problem in problems(composer, *said)} == {"adapters.eye.kind"}
    with part(PREPROCESSORS, "posters", Posters), part(ADAPTERS, "onlooker", Onlooker):
        assert "onlooker" in choices("adapters.NAME.kind") and "posters" in choices("adapters.NAME.preprocessor.name")
        (problem,) = problems(composer, *said, "adapters.eye.preprocessor.levels=1")
        assert problem.key == "adapters.eye.preprocessor.levels"
        record = made(tmp_path / "run", *said, "prompt=a red heart", "adapters.eye.preprocessor.levels=4")
        assert [given.file for given in record.inputs] == ["control_eye.png"]
        assert [file.role for file in record.lock if file.role.startswith("adapters")] == [
            "adapters.eye.image",
            "adapters.eye.reference",
        ]
        with Image.open(tmp_path / "run" / "control_eye.png") as image:
            colours = image.getcolors()
            assert colours is not None and len(colours) == 4
        made(tmp_path / "run", "prompt=a red heart")
        assert not (tmp_path / "run" / "control_eye.png").exists(), "cleaned up with the run that it belonged to"


def test_a_field_of_an_adapter_that_names_a_file(tmp_path: Path, composer: Composer) -> None:
    """Where the file is does not count; ``check`` says where it is, and ``glob()`` finds several."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 64)).save(tmp_path / folder / "given.png")
    one, two = str(tmp_path / "one" / "given.png"), str(tmp_path / "two" / "given.png")
    key = "adapters.eye.reference"
    with part(ADAPTERS, "onlooker", Onlooker):
        said = [f"adapters.eye={{kind: onlooker, family: emoji, source: unread, image: '{one}'}}", "prompt=a red heart"]
        composed = (composer.compose([*said, f"{key}={path}"]) for path in (one, two))
        here, there = (Preparer()(Request.composed(one), hashed=True) for one in composed)
        assert here.key == there.key
        assert effect(key) == "files"
        assert sources(here.spec)[key] == one
        assert files(key, Glob(include=[f"{tmp_path}/*/given.png"]), 2) == [one, two]


def test_a_family(tmp_path: Path, composer: Composer) -> None:
    said = ["base.family=doodle", "loras=[]", "sampling.guidance_scale=3", "sampling.steps=10", "scheduler=ddim"]
    assert "base.family" in {problem.key for problem in problems(composer, *said)}
    with part(FAMILIES, "doodle", Doodle()):
        assert "doodle" in choices("base.family")
        record = made(tmp_path / "run", *said, "prompt=a red heart")
        assert record.execution["pipeline"] == "StableDiffusionPipeline"
        (problem,) = problems(composer, *said, "task=image_to_image", "task.image=a.png")
        assert (problem.key, problem.what) == ("task", "needs an adapter of kind controlnet")


def test_a_task_that_no_family_does(composer: Composer) -> None:
    with part(TASKS, "portrait", Portrait):
        assert "portrait" in choices("task.name")
        (problem,) = problems(composer, "task.name=portrait")
        assert (problem.key, problem.value) == ("task", "portrait")


def test_two_parts_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="two parts of kind scheduler are called 'tcd'"):
        SCHEDULERS.add("tcd", Toy)
