"""The table of keys: every key with its description, and the JSON schemas that are made of the same models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
import yaml
from pydantic import Field

from tcdflow.config.places import conf_dir
from tcdflow.spec.distill import DistillSpec
from tcdflow.spec.keys import Key, keys
from tcdflow.spec.model import RunSpec
from tcdflow.spec.registry import NameOf, OneOf, Registry
from tcdflow.spec.schema import EXPERIMENT, Schema, file_schema
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.types import Settings
from tcdflow.sweeps.ray_cluster import RaySettings

RUN = keys(RunSpec)
SWEEP = keys(SweepSpec, "sweep")
RAY = keys(RaySettings, "hydra.launcher")
GROUPS = sorted(path.name for path in conf_dir().iterdir() if path.is_dir() and path.name[0].isalpha())
GROUPS.remove("hydra")
FILES = sorted(path for group in GROUPS for path in (conf_dir() / group).glob("*.yaml"))


def named(name: str, kind: str = "") -> Key:
    (key,) = [key for key in RUN if key.name == name and (not kind or kind in key.kinds)]
    return key


@pytest.mark.parametrize("key", RUN + SWEEP + RAY, ids=lambda key: f"{key.name} {' '.join(key.kinds)}".strip())
def test_every_key_is_described(key: Key) -> None:
    assert key.description, "describe the field, with its unit and what its ends mean"
    assert "\n" not in key.description
    assert not key.description.endswith(".")


def test_there_are_as_many_keys_as_fields() -> None:
    assert len({key.name for key in RUN}) >= 80
    assert len(SWEEP) == 19
    assert len(RAY) == 3


class TestOne:
    """What is said of a key is what the typed model holds it to."""

    def test_a_number(self) -> None:
        key = named("sampling.eta")
        assert (key.type, key.range, key.default) == ("number", "0 to 1", None)

    def test_a_number_above_another(self) -> None:
        assert named("lora_stack.merge.density").range == "above 0, at most 1"

    def test_a_number_below_another(self) -> None:
        (key,) = [key for key in keys(DistillSpec) if key.name == "distill.ema"]
        assert key.range == "above 0, below 1"

    def test_a_number_that_may_be_null(self) -> None:
        key = named("sampling.width")
        assert (key.type, key.range, key.default) == ("whole number or choice or null", "8 to 8192", "null")
        assert key.choices == ("input", "aspect")

    def test_a_seed_may_be_a_list(self) -> None:
        key = named("sampling.seed")
        assert (key.type, key.range, key.default) == (
            "whole number or random or list of whole numbers",
            "0 to 2^63 - 1",
            "0",
        )

    def test_a_choice(self) -> None:
        key = named("runtime.dtype")
        assert (key.type, key.choices, key.default) == ("choice", ("auto", "float32", "float16", "bfloat16"), "auto")

    def test_a_truth_value(self) -> None:
        key = named("lora_stack.fuse")
        assert (key.type, key.choices, key.default) == ("true or false", ("true", "false"), "true")

    def test_a_key_of_an_entry(self) -> None:
        assert named("loras.NAME.weight").matches("loras.tcd.weight")
        assert not named("loras.NAME.weight").matches("loras.weight")
        assert not named("loras.NAME.weight").matches("adapters.tcd.weight")

    def test_a_name_that_tells_the_part(self) -> None:
        key = named("adapters.NAME.kind")
        assert {"controlnet", "ip_adapter", "motion_adapter"} <= set(key.choices)
        assert len(key.meanings) == len(key.choices)

    def test_a_key_that_only_some_parts_have(self) -> None:
        assert named("adapters.NAME.image_encoder").kinds == ("ip_adapter",)
        assert named("adapters.NAME.scale", "controlnet") != named("adapters.NAME.scale", "ip_adapter")
        assert named("adapters.NAME.source").kinds == ()
        assert named("adapters.NAME.preprocessor.low").kinds == ("canny",)


FILES.append(conf_dir() / "config.yaml")


def schema_of(path: Path) -> Schema:
    """The schema that a file names in its first lines, as it is in the repository."""
    (name,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", path.read_text("utf-8"), re.MULTILINE)
    schema: Schema = json.loads((path.parent / name).read_text("utf-8"))
    return schema


class Toy(Settings):
    """A part of a registry of the test's own."""


class Top(Toy):
    """Spins."""

    kind: Literal["top"] = Field(description="which toy")
    speed: float = Field(1.0, gt=0, le=9, description="turns a second")


class Ball(Toy):
    """Rolls."""

    kind: Literal["ball"] = Field(description="which toy")
    size: int = Field(3, ge=1, le=5, description="centimetres")


toys: Registry[type[Toy]] = Registry("toy", "tcdflow.parts")
toys.add("top", Top)
toys.add("ball", Ball)


class Box(Settings):
    """What holds them."""

    best: Annotated[str, NameOf(toys)] = Field("top", description="the best of them")
    one: Annotated[Toy, OneOf(toys, "kind")] | None = Field(None, description="one of them")
    many: dict[str, Annotated[Toy, OneOf(toys, "kind")]] = Field(default_factory=dict, description="more")


def test_parts_of_registries_are_walked() -> None:
    found = {key.name: key for key in keys(Box, "box")}
    assert found["box.best"].choices == ("ball", "top")
    assert found["box.one"].type == "mapping or null"
    assert found["box.one.kind"].choices == ("ball", "top")
    assert found["box.one.kind"].meanings == ("Rolls.", "Spins.")
    assert (found["box.one.size"].kinds, found["box.one.size"].range) == (("ball",), "1 to 5")
    assert (found["box.many.NAME.speed"].kinds, found["box.many.NAME.speed"].default) == (("top",), "1")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def errors(schema: Schema, content: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(content)]


class TestSchema:
    """Schemas of files: all of ours hold, and mistakes do not."""

    @pytest.mark.parametrize("group", GROUPS)
    def test_it_is_one(self, group: str) -> None:
        jsonschema.Draft202012Validator.check_schema(file_schema(group, GROUPS))

    @pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
    def test_our_files_name_theirs_and_hold(self, path: Path) -> None:
        assert errors(schema_of(path), load(path)) == []

    def test_the_first_lines_of_an_experiment_stay(self) -> None:
        for path in (conf_dir() / "experiment").glob("*.yaml"):
            package, command, *_ = path.read_text("utf-8").splitlines()
            assert (package, command) == ("# @package _global_", f"# tcdflow experiment={path.stem}")

    @pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
    def test_a_misspelt_key_does_not(self, path: Path) -> None:
        content = load(path)
        node = content
        if path.parent.name in ("loras", "embeddings", "adapters", "tracker"):
            (node,) = content.values()
        *_, last = node
        node[f"{last}x"] = node.pop(last)
        assert errors(schema_of(path), content) != []

    @pytest.mark.parametrize(
        "content",
        [
            {"sampling": {"steps": "${base.size}", "eta": "???", "seed": [1, "${sampling.steps}"]}},
            {"loras": {"tcd": "${loras.other}", "other": {"weight": {"unet": {"down": 0.5}}}}},
            {"task": {"strength": 0.5}, "base": "${x}", "lora_stack": {"merge": None}},
            {"adapters": {"edges": {"images": "a.png", "scale": {"down": 1}}}},
            {
                "defaults": [{"override /loras": ["tcd", "mine"]}, "_self_", {"/base@base": "sdxl"}],
                "lock": "a.lock.json",
            },
            {"sweep": {"axes": {"sampling.eta": [0, 1]}, "sample": {"count": 3}}},
        ],
        ids=str,
    )
    def test_what_an_experiment_may_hold(self, content: Any) -> None:
        assert errors(file_schema(EXPERIMENT, GROUPS), content) == []

    @pytest.mark.parametrize(
        "content",
        [
            {"sampling": {"stpes": 4}},
            {"sampling": {"eta": 1.5}},
            {"sampling": {"eta": "much"}},
            {"samplign": {}},
            {"hydra": {"run": {"dir": "x"}}},
            {"defaults": [{"override /bsae": "sdxl"}]},
            {"loras": {"tcd": {"wieght": 1}}},
            {"task": {"name": "text_to_image", "strength": 0.5}},
            {"adapters": {"edges": {"kind": "controlnet", "images": ["a.png"]}}},
            {"runtime": {"compile": {"scope": "all"}}},
            {"sweep": {"retries": 1}},
        ],
        ids=str,
    )
    def test_what_it_may_not(self, content: Any) -> None:
        assert errors(file_schema(EXPERIMENT, GROUPS), content) != []

    def test_presets_may_choose_others(self) -> None:
        assert errors(file_schema("loras", GROUPS), {"defaults": ["tcd"], "mine": {"source": "a"}}) == []
        assert errors(file_schema("sampling", GROUPS), {"defaults": ["few_step", "_self_"], "steps": 2}) == []
