"""Images of other tools: what they say is shown, and what can be mapped becomes an experiment that composes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.spec.model import RunSpec
from tests.fuzz.grammar import ODD_CHARACTERS
from tests.helpers import Write, examples, problems
from tests.quick.show import images


@dataclass(frozen=True)
class Case:
    """An image, what has to be given, and what becomes of it."""

    texts: dict[str, str]
    given: tuple[str, ...]
    expected: dict[str, Any]
    noted: tuple[str, ...] = ()
    wanted: tuple[str, ...] = field(default=())


GUIDED = {"sampling.guidance_scale": 7.5, "prompt_encoding.weights": "compel"}
CASES = {
    "web ui": Case(
        {"parameters": images.WEB_UI},
        ("loras.my_style.source=./x.safetensors",),
        {
            "prompt": "masterpiece, (a red fox:1.2)",
            "negative_prompt": "blurry, [ugly]",
            "base.family": "sd15",
            "scheduler.name": "dpmpp_2m",
            "scheduler.use_karras_sigmas": True,
            "sampling.steps": 20,
            "sampling.guidance_scale": 7.0,
            "sampling.seed": 1234,
            "sampling.width": 512,
            "sampling.height": 768,
            "loras.my_style.weight": 0.8,
            "prompt_encoding.weights": "a1111",
            "prompt_encoding.long": "chunk",
        },
        ("Clip skip: 2", "hash 1a2b3c4d5e6f", "base=sd15 by its hash"),
        ("loras.my_style.source",),
    ),
    "TCD": Case(
        {"parameters": images.TCD},
        (),
        {"base.family": "sdxl", "scheduler.name": "tcd", "sampling.eta": 0.3, "sampling.steps": 4},
    ),
    "a sampler's old name": Case(
        {"parameters": images.KARRAS},
        ("base=sd15",),
        {"scheduler.name": "dpmpp_sde", "scheduler.use_karras_sigmas": True, "sampling.eta": 0.0},
        ("somebody's_mix",),
        ("base",),
    ),
    "enlarged": Case(
        {"parameters": images.HIRES},
        ("base=sd15",),
        {"task.name": "text_to_image"},
        ("Denoising strength: 0.4", "Hires upscale: 2"),
        ("base",),
    ),
    "redrawn": Case(
        {"parameters": images.REDRAWN},
        ("base=sd15", "task.image=./x.png"),
        {"task.name": "image_to_image", "task.strength": 0.6},
        ("task.image: the image",),
        ("base",),
    ),
    "graph": Case(
        images.graph(sampler="euler_ancestral"),
        (),
        {
            "prompt": "a fox",
            "negative_prompt": "blurry",
            "base.family": "sdxl",
            "scheduler.name": "euler_ancestral",
            "sampling.seed": 42,
            "sampling.guidance_scale": 1.5,
            "sampling.width": 1024,
            "sampling.height": 768,
            "prompt_encoding.weights": "none",
        },
        ("base=sdxl by its name",),
    ),
    "graph with a LoRA": Case(
        images.graph(lora="sdxl/tcd.safetensors", sampler="ddim"),
        ("loras.sdxl_tcd.source=./x.safetensors", "sampling.eta=0"),
        {"loras.sdxl_tcd.weight": 0.9, "scheduler.name": "ddim"},
        ("sdxl/tcd.safetensors",),
        ("loras.sdxl_tcd.source",),
    ),
    "graph of an image": Case(
        images.graph(denoise=0.5, sampler="res_multistep"),
        ("scheduler=euler", "task.image=./x.png", "sampling.eta=0"),
        {"task.strength": 0.5},
        ("sampler: res_multistep",),
        ("scheduler",),
    ),
    "InvokeAI": Case(
        images.invoke(loras=[{"model": {"name": "style", "hash": "blake3:ff"}, "weight": 0.75}]),
        ("base=sdxl", "loras.style.source=./x.safetensors"),
        {"prompt": "a fox++ in snow", "scheduler.use_karras_sigmas": True, "loras.style.weight": 0.75, **GUIDED},
        ("Juggernaut XL", "blake3:ff"),
        ("base",),
    ),
    "InvokeAI of old": Case(
        images.SD_METADATA,
        ("scheduler=euler", "sampling.eta=0"),
        {"prompt": "a fox", "negative_prompt": "blurry", "base.family": "sd15", "sampling.seed": 123, **GUIDED},
        ("sampler: k_lms",),
        ("scheduler",),
    ),
    "dream": Case(
        images.DREAM,
        ("base=sd15",),
        {"scheduler.name": "euler_ancestral", "sampling.steps": 50, "sampling.width": 512, **GUIDED},
        ("a model that it does not name",),
        ("base",),
    ),
}


def said(capfd: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert dispatch(argv) == status
    out, err = capfd.readouterr()
    return out if status == 0 else err


def at(spec: RunSpec, key: str) -> Any:
    node: Any = spec.model_dump()
    for name in key.split("."):
        node = node[name]
    return node


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_mapped_composes(
    name: str, tmp_path: Path, configs: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    path = images.png(tmp_path / "made.png", case.texts)
    text = said(capfd, "show", str(path), "--yaml")
    composer = Composer(configs({"experiment/made.yaml": text}))
    spec = composer.compose(["experiment=made", *case.given]).spec
    assert {key: at(spec, key) for key in case.expected} == case.expected
    for note in case.noted:
        assert note in text
    if case.wanted:
        assert {problem.key for problem in problems(composer, "experiment=made")} == set(case.wanted)
    assert at(spec, "prompt") in said(capfd, "show", str(path))


def test_an_eta_that_counts_and_is_not_said_has_to_be_given(
    tmp_path: Path, configs: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    path = images.png(tmp_path / "made.png", images.graph(sampler="ddim"))
    composer = Composer(configs({"experiment/made.yaml": said(capfd, "show", str(path), "--yaml")}))
    assert [problem.key for problem in problems(composer, "experiment=made")] == ["sampling.eta"]


def test_other_files_than_png(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for ending in ("jpg", "webp"):
        text = said(capfd, "show", str(images.jpeg(tmp_path / f"made.{ending}", images.TCD)))
        assert "TCD" in text
    other = images.jpeg(tmp_path / "other.jpg", images.KARRAS)
    assert "DPM++ SDE Karras" in said(capfd, "show", str(other)), "each image is read, not the last one again"


def test_json_and_python(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(images.png(tmp_path / "made.png", {"parameters": images.WEB_UI}))
    found = json.loads(said(capfd, "show", path, "--json"))
    assert (found["tool"], found["values"]["steps"]) == ("AUTOMATIC1111", "20")
    assert "made by AUTOMATIC1111" in said(capfd, "show", path, "--python", status=2)


def test_several_samplers_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    texts = images.graph()
    nodes = json.loads(texts["prompt"])
    path = images.png(tmp_path / "made.png", texts | {"prompt": json.dumps(nodes | {"99": nodes["3"]})})
    assert "has 2 samplers" in said(capfd, "show", str(path), "--yaml", status=2)


def test_an_image_that_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "carries no recipe" in said(capfd, "show", str(images.png(tmp_path / "x.png", {})), status=2)


ODD = st.text(
    st.sampled_from(ODD_CHARACTERS.replace("\udc80", "").replace("\ud800", "").replace("\0", "") + "a1:,{}[]\\")
)
DEEP = st.recursive(ODD | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=2), max_leaves=4)


@settings(max_examples=examples(0.5))
@given(odd=ODD, value=DEEP, number=st.sampled_from(["nan", "-1", "1e999", "", "9" * 5000, "x", "0x10"]))
def test_odd_texts_are_data(
    odd: str, value: Any, number: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    samples: list[dict[str, str]] = [
        {"parameters": f"{odd}\nSteps: {number}, Sampler: {odd}, CFG scale: {number}, Seed: 1, {odd}: {odd}"},
        images.graph(lora=odd or "x") | {"workflow": json.dumps({"links": [[1, 6, 0, 3, 1, odd]]})},
        images.invoke(positive_prompt=odd, model=value, loras=value, scheduler=odd, steps=value),
        {"prompt": json.dumps({"3": value, odd: {"class_type": odd, "inputs": value}}), "workflow": json.dumps(value)},
    ]
    for texts in samples:
        path = images.png(tmp_path / "odd.png", texts)
        status = dispatch(["show", str(path), "--yaml"])
        out, err = capfd.readouterr()
        assert status == 0 or (status == 2 and err.count("\n") == 1), err
        assert all(c.isprintable() or c == "\n" for c in out + err)
        if status == 0:
            found = yaml.safe_load(out)
            assert set(found) <= {
                "defaults",
                "prompt",
                "negative_prompt",
                "prompt_encoding",
                "sampling",
                "loras",
                "scheduler",
                "task",
            }
