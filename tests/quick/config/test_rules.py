"""Rules between fields and warnings, each on both sides of its boundary."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pytest

from tcdflow import embedded
from tcdflow.config.compose import Composer
from tcdflow.spec import rules
from tcdflow.spec.adapter import ADAPTERS, Adapter
from tests.helpers import part, prepared, problems

SDXL_INPAINTING = ["base=sdxl_inpainting", "loras=[]", "sampling=teacher"]
IMAGE = "task.image=a.png"
MASK = "task.mask=m.png"
CANNY = ["base=sdxl", "adapters=[canny]", "adapters.canny.image=a.png"]
IP = ["base=sdxl", "adapters=[ip_adapter]", "adapters.ip_adapter.images=[a.png]"]
MOTION = ["base=sd15", "task=animation", "adapters=[motion]"]

# Overrides that are refused, the key that is named, and the overrides that come closest and are not.
RULES = [
    (["sampling.steps=51"], "sampling.steps", ["sampling.steps=50"]),
    (["scheduler=lcm", "sampling.steps=51"], "sampling.steps", ["scheduler=lcm", "sampling.steps=50"]),
    (
        ["scheduler.original_inference_steps=100", "sampling.steps=101"],
        "sampling.steps",
        ["scheduler.original_inference_steps=100", "sampling.steps=100"],
    ),
    (
        [f"sampling.seed={2**63 - 1}", "sampling.num_images=2"],
        "sampling.seed",
        [f"sampling.seed={2**63 - 2}", "sampling.num_images=2"],
    ),
    (["sampling.steps=1001"], "sampling.steps", ["scheduler=ddim", "sampling.steps=1000"]),
    (
        ["scheduler=euler", "scheduler.original_inference_steps=50"],
        "scheduler.original_inference_steps",
        ["scheduler=lcm", "scheduler.original_inference_steps=50"],
    ),
    (
        ["scheduler.timestep_spacing=trailing"],
        "scheduler.timestep_spacing",
        ["scheduler=euler", "scheduler.timestep_spacing=trailing"],
    ),
    (
        ["scheduler.use_karras_sigmas=false"],
        "scheduler.use_karras_sigmas",
        ["scheduler=dpmpp_2m", "scheduler.use_karras_sigmas=false"],
    ),
    (["scheduler.clip_sample=true"], "scheduler.clip_sample", ["scheduler=ddim", "scheduler.clip_sample=true"]),
    (
        ["scheduler=dpmpp_2s", "scheduler.rescale_betas_zero_snr=false"],
        "scheduler.rescale_betas_zero_snr",
        ["scheduler=dpmpp_2m", "scheduler.rescale_betas_zero_snr=false"],
    ),
    (
        ["scheduler.prediction_type=v_prediction"],
        "scheduler.prediction_type",
        ["scheduler.prediction_type=v_prediction", "base.prediction_type=v_prediction"],
    ),
    (
        ["scheduler.rescale_betas_zero_snr=true"],
        "scheduler.rescale_betas_zero_snr",
        ["scheduler.rescale_betas_zero_snr=true", "base.prediction_type=v_prediction"],
    ),
    (["sampling.width=68"], "sampling.width", ["sampling.width=72"]),
    (["sampling.height=68"], "sampling.height", ["sampling.height=72"]),
    (["base.size=60"], "sampling.width", ["base.size=60", "sampling.width=64", "sampling.height=64"]),
    (["base.size_multiple=64", "sampling.width=72"], "sampling.width", ["base.size_multiple=64", "sampling.width=128"]),
    (["base=sd15", "loras=[papercut]"], "loras.papercut", ["base=sdxl", "loras=[papercut]"]),
    (
        ["sampling.seed=[1,2]", "sampling.num_images=2"],
        "sampling.num_images",
        ["sampling.seed=[1,2]", "sampling.num_images=1"],
    ),
    (["sampling.num_images=0"], "sampling.num_images", ["sampling.num_images=1024"]),
    (
        SDXL_INPAINTING,
        "task",
        [*SDXL_INPAINTING, "task=inpainting", IMAGE, MASK],
    ),
    (
        ["task=image_to_image", IMAGE, "task.strength=0.24"],
        "task.strength",
        ["task=image_to_image", IMAGE, "task.strength=0.25"],
    ),
    (
        ["task=inpainting", IMAGE, MASK, "sampling.steps=1"],
        "task.strength",
        ["task=inpainting", IMAGE, MASK, "sampling.steps=1", "task.strength=1"],
    ),
    (["task=image_to_image"], "task.image", ["task=image_to_image", IMAGE]),
    (["task=inpainting", IMAGE], "task.mask", ["task=inpainting", IMAGE, MASK]),
    (["base=sdxl", "base.safety_checker=true"], "base.safety_checker", ["base=sd15", "base.safety_checker=true"]),
    ([*CANNY[1:], "base=sd15"], "adapters.canny", CANNY),
    ([*CANNY, "adapters.canny.start=0.5", "adapters.canny.end=0.5"], "adapters.canny.start", CANNY),
    (
        [*CANNY, "adapters.canny.preprocessor.low=201"],
        "adapters.canny.preprocessor.low",
        [*CANNY, "adapters.canny.preprocessor.low=200"],
    ),
    (["base=sdxl", "adapters=[canny]"], "adapters.canny.image", CANNY),
    (
        [*IP, "adapters.b={kind: ip_adapter, family: sdxl, source: a/b, images: b.png, image_encoder: other/one}"],
        "adapters.b.image_encoder",
        IP,
    ),
    (["base=sd15", "adapters=[motion]"], "adapters.motion", MOTION),
    (["base=sd15", "task=animation"], "task", MOTION),
    (["base=sd21_base", "loras=[]", "task=animation", "adapters=[motion]"], "adapters.motion", MOTION),
    (["base=sdxl", "loras=[]", "task=animation"], "task", MOTION),
    ([*MOTION, "adapters.b={kind: motion_adapter, family: sd15, source: a/b}"], "adapters", MOTION),
    (["base.tasks=[inpaintng]"], "base.tasks.0", ["base.tasks=[text_to_image]"]),
    (["loras.tcd.schedulers=[tdc]"], "loras.tcd.schedulers.0", ["loras.tcd.schedulers=[tcd,lcm]"]),
    # embedded models have the same shapes, so nothing else tells
    (["base.source=embedded:icons"], "base.family", ["base=icons"]),
    (["base=icons", "loras.tcd.source=embedded:emoji/tcd_lora"], "loras.tcd", ["base=icons"]),
    (["loras.tcd.source=embedded:icons/tcd_lora"], "loras.tcd", ["loras.tcd.source=embedded:emoji/tcd_lora"]),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "key", "allowed"), RULES, ids=lambda v: str(v)[:60])
def test_a_rule_and_its_boundary(refused: list[str], key: str, allowed: list[str], composer: Composer) -> None:
    assert key in [problem.key for problem in problems(composer, *refused)]
    composer.compose(allowed)


# Overrides that are told of, a word of what is said, and overrides that are not.
WARNINGS = [
    (["sampling.guidance_scale=1.01"], "doubles the cost", ["sampling.guidance_scale=1"]),
    (["sampling.guidance_scale=2"], "doubles the cost", ["sampling.guidance_scale=2", "loras=[]"]),
    (["scheduler=ddim"], "was distilled for scheduler tcd, not ddim", ["scheduler=tcd"]),
    (["base=sd15", "loras=[]", "sampling.steps=9"], "unfinished", ["base=sd15", "loras=[]", "sampling.steps=10"]),
    (["base=sd15", "loras=[]"], "unfinished", ["base=sd15"]),
    (["sampling.width=512"], "sampling.width=512 is far from the 64 pixels", ["sampling.width=256"]),
    (["base=sdxl", "sampling.height=248"], "far from the 1024", ["base=sdxl", "sampling.height=256"]),
    (["negative_prompt=ugly"], "no effect while", ["negative_prompt=ugly", "sampling.guidance_scale=1.01"]),
    (["scheduler=euler", "sampling.eta=0.1"], "sampling.eta has no effect", ["scheduler=euler", "sampling.eta=0"]),
    (["scheduler=euler"], "sampling.eta has no effect", ["scheduler=ddim"]),
    (["prompt=a unicycle"], "is not one of them", ["prompt=a red heart"]),
    (["base=sd15", "sampling.clip_skip=2"], "clip skip 3 on sd15; their clip skip 2 is 1 here", ["base=sd15"]),
    (["base=sd15", "sampling.clip_skip=2"], "other tools call", ["base=sd15", "sampling.clip_skip=1"]),
    (["base=sdxl", "sampling.clip_skip=2"], "clip skip 4 on sdxl; their clip skip 2 is null here", ["base=sdxl"]),
    (["base=sdxl", "sampling.clip_skip=1"], "other tools call", ["base=sdxl", "sampling.clip_skip=3"]),
    (["base=sdxl", "loras=[hyper_sd]", "sampling.steps=5"], "was distilled for",
     ["base=sdxl", "loras=[hyper_sd]", "sampling.steps=4", "scheduler=ddim_trailing", "sampling.eta=0"]),
]  # fmt: skip


@pytest.mark.parametrize(("told", "word", "silent"), WARNINGS, ids=lambda value: str(value)[:60])
def test_a_warning_and_its_boundary(told: list[str], word: str, silent: list[str], composer: Composer) -> None:
    assert [text for text in rules.warnings(composer.compose(told).spec) if word in text]
    assert [text for text in rules.warnings(composer.compose(silent).spec) if word in text] == []


def test_what_we_ship_as_default_is_warned_of_nothing(composer: Composer) -> None:
    assert not [*rules.warnings(composer.compose([]).spec)]
    assert not [*rules.warnings(composer.compose(["experiment=quickstart"]).spec)]


@pytest.mark.parametrize(("source", "twice"), [("embedded:emoji/tcd_lora", True), ("a.safetensors", False)])
def test_a_lora_under_two_names(
    source: str, twice: bool, composer: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(embedded.lora_path("emoji").read_bytes())
    composition = composer.compose(["prompt=a red heart", f"loras.again.source={source}"])
    said = [text for text in prepared(composition).warnings if "is the same file as loras.tcd" in text]
    assert len(said) == twice


class Waves(Adapter):
    """Another adapter that animates."""

    pipelines: ClassVar = {("sd", "animation"): "animatediff.pipeline_animatediff:AnimateDiffPipeline"}

    kind: Literal["waves"]


def test_a_second_adapter_that_animates_needs_no_motion_adapter(composer: Composer) -> None:
    waves = ["base=sd15", "task=animation", "adapters.sea={kind: waves, family: sd15, source: a/b}"]
    with part(ADAPTERS, "waves", Waves):
        assert composer.compose(waves).spec.pipeline == Waves.pipelines["sd", "animation"]


def test_the_strength_that_a_message_names_is_taken(composer: Composer) -> None:
    spec = composer.compose(["task=image_to_image", IMAGE]).spec
    for steps in range(1, 1001):
        few = spec.model_copy(update={"sampling": spec.sampling.model_copy(update={"steps": steps})})
        (problem,) = spec.task.model_copy(update={"strength": 1e-6}).problems(few)
        named = float(problem.what.rpartition(" ")[2])
        assert not list(spec.task.model_copy(update={"strength": named}).problems(few)), problem.what


def test_strength_decides_how_many_steps_are_run(composer: Composer) -> None:
    """8 steps at strength 0.99 are 7 calls in diffusers, and 8 at strength 1."""
    said = ["task=inpainting", IMAGE, MASK, "sampling.steps=8"]
    steps = {s: composer.compose([*said, f"task.strength={s}"]).spec.effective_steps for s in (0.125, 0.99, 1)}
    assert steps == {0.125: 1, 0.99: 7, 1: 8}
