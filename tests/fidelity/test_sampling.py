"""Schedulers, guidance, negative prompts, clip_skip, sizes and seeds, each on one pipeline made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch

from tests.fidelity import scripts
from tests.fidelity.conftest import Run
from tests.fidelity.same import assert_same, equal
from tests.standins import Family, StandIns

PROMPT, NEGATIVE = "a photograph of an astronaut riding a horse", "snow, orange, a man"

SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "ddim": lambda config: diffusers.DDIMScheduler.from_config(config),
    "ddim_trailing": lambda config: diffusers.DDIMScheduler.from_config(config, timestep_spacing="trailing"),
    "dpmpp_2s": lambda config: diffusers.DPMSolverSinglestepScheduler.from_config(config),
    "dpmpp_2m": lambda config: diffusers.DPMSolverMultistepScheduler.from_config(config),
    "dpmpp_2m scheduler.use_karras_sigmas=true": lambda config: diffusers.DPMSolverMultistepScheduler.from_config(
        config, use_karras_sigmas=True
    ),
    "euler": lambda config: diffusers.EulerDiscreteScheduler.from_config(config),
    "euler_trailing": lambda config: diffusers.EulerDiscreteScheduler.from_config(config, timestep_spacing="trailing"),
    "unipc": lambda config: diffusers.UniPCMultistepScheduler.from_config(config),
    "euler_ancestral": lambda config: diffusers.EulerAncestralDiscreteScheduler.from_config(config),
    "deis": lambda config: diffusers.DEISMultistepScheduler.from_config(config),
    "dpmpp_sde": lambda config: diffusers.DPMSolverSinglestepScheduler.from_config(
        config, algorithm_type="sde-dpmsolver++"
    ),
    "heun": lambda config: diffusers.HeunDiscreteScheduler.from_config(config),
    "lcm": lambda config: diffusers.LCMScheduler.from_config(config),
    "tcd": lambda config: diffusers.TCDScheduler.from_config(config),
    "tcd_linear": lambda config: diffusers.TCDScheduler.from_config(config, beta_schedule="linear"),
}


def bare(family: Family) -> list[str]:
    return [f"base={family}", "base.size=64", "loras=[]", f"prompt={PROMPT}"]


def pipeline(standins: StandIns, family: Family) -> Any:
    cls = diffusers.StableDiffusionXLPipeline if family == "sdxl" else diffusers.StableDiffusionPipeline
    return scripts.pipeline(cls, standins.base(family))


@pytest.mark.parametrize(
    ("family", "name"),
    [
        *(("sd15", name) for name in SCHEDULERS),
        *(("sdxl", name) for name in ("dpmpp_2s", "euler_trailing", "tcd_linear")),
    ],
)
def test_scheduler(run: Run, standins: StandIns, family: Family, name: str) -> None:
    """Undistilled, with guidance; eta is given to the schedulers that take it."""
    made = run(
        *bare(family),
        f"base.source={standins.base(family)}",
        *f"scheduler={name}".split(),
        "sampling=teacher",
        "sampling.steps=4",
        "sampling.eta=0.4",
        f"negative_prompt={NEGATIVE}",
    )
    pipe = pipeline(standins, family)
    pipe.scheduler = SCHEDULERS[name](pipe.base_scheduler_config)
    by_hand = scripts.image(pipe, PROMPT, num_inference_steps=4, eta=0.4, guidance_scale=7.5, negative_prompt=NEGATIVE)
    assert_same(made.images[0], by_hand)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_guidance_without_negative_prompt(run: Run, standins: StandIns, family: Family) -> None:
    """SDXL takes zeros then, and not the embedding of an empty text."""
    made = run(*bare(family), f"base.source={standins.base(family)}", "sampling.guidance_scale=4.5")
    pipe = pipeline(standins, family)
    pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.base_scheduler_config)
    by_hand = scripts.image(pipe, PROMPT, guidance_scale=4.5)
    assert_same(made.images[0], by_hand)
    assert not equal(by_hand, scripts.image(pipe, PROMPT, guidance_scale=4.5, negative_prompt=NEGATIVE))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_clip_skip_and_size(run: Run, standins: StandIns, family: Family) -> None:
    made = run(
        *bare(family),
        f"base.source={standins.base(family)}",
        "sampling.clip_skip=1",
        "sampling.width=96",
        "sampling.height=72",
        "sampling.guidance_scale=3",
    )
    pipe = pipeline(standins, family)
    pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.base_scheduler_config)
    call = {"width": 96, "height": 72, "guidance_scale": 3}
    if family == "sdxl":
        by_hand = scripts.image(pipe, PROMPT, clip_skip=1, **call)
    else:
        by_hand = scripts.image(pipe, None, **embeddings_without_last_layer(pipe), **call)
    assert_same(made.images[0], by_hand)
    assert not equal(by_hand, scripts.image(pipe, PROMPT, **call))


def embeddings_without_last_layer(pipe: Any) -> dict[str, torch.Tensor]:
    """What ``clip_skip=1`` means, written out: diffusers itself fails on it with transformers 5.6 and later (#14124).

    As there, the negative prompt's embedding keeps all layers.
    """

    def encoded(text: str) -> Any:
        tokens = pipe.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        with torch.no_grad():
            return pipe.text_encoder(tokens.input_ids, output_hidden_states=True)

    with torch.no_grad():
        positive = pipe.text_encoder.final_layer_norm(encoded(PROMPT).hidden_states[-2])
    return {"prompt_embeds": positive, "negative_prompt_embeds": encoded("").last_hidden_state}


@pytest.mark.parametrize("seeds", ["sampling.seed=7 sampling.num_images=3", "sampling.seed=[9,7,8]"])
def test_each_of_several_images_is_as_if_made_alone(run: Run, standins: StandIns, seeds: str) -> None:
    made = run(*bare("sd15"), f"base.source={standins.sd15}", *seeds.split())
    pipe = pipeline(standins, "sd15")
    pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.base_scheduler_config)
    order = [9, 7, 8] if "[" in seeds else [7, 8, 9]
    for image, seed in zip(made.images, order, strict=True):
        assert_same(image, scripts.image(pipe, PROMPT, seed=seed))


def test_a_seed_of_its_generators_device_is_the_same_on_the_cpu(run: Run, standins: StandIns) -> None:
    base = f"base.source={standins.sd15}"
    made = run(*bare("sd15"), base, "sampling.generator=device", "sampling.seed=5")
    assert_same(made.images[0], run(*bare("sd15"), base, "sampling.seed=5").images[0])


def test_the_process_wide_generator_is_left_alone(run: Run, standins: StandIns) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run(*bare("sd15"), f"base.source={standins.sd15}", "sampling.eta=1")
    assert torch.equal(before, torch.get_rng_state())
