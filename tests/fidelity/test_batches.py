"""Images that share calls are those of a plain diffusers call of that many, and near those made one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tests.fidelity import scripts
from tests.fidelity.conftest import Thin
from tests.fidelity.same import assert_same
from tests.fidelity.test_tasks import EMOJI
from tests.helpers import prepared
from tests.standins import AdapterFamily, StandIns

PROMPTS = ("a red heart", "a fox on a green background", "a panda")
SEEDS = (3, 1, 3)
NEAR = 2
"""Of 255: what the last bits of a few steps add up to."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Keeps what two calls of a test have in common."""
    return Engine()


def together(engine: Engine, composer: Composer, *overrides: str, size: int = 3) -> list[Image.Image]:
    """The images of three runs, made at once."""
    jobs = [
        prepared(
            composer.compose(
                [
                    f"prompt={prompt}",
                    f"sampling.seed={seed}",
                    f"runtime.batch_size={size}",
                    "runtime.device=cpu",
                    *overrides,
                ]
            )
        )
        for prompt, seed in zip(PROMPTS, SEEDS, strict=True)
    ]
    generated = engine.run_together([job.spec for job in jobs], jobs[0].files)
    for number, one in enumerate(generated):
        assert one.batch.position == number and len(one.batch.pictures) == 3
        assert one.execution["unet_calls"] == len(one.execution["timesteps"])
    return [frame for one in generated for sample in one.samples for frame in sample.frames]


def by_hand(pipe: Any, guidance: float = 0.0, **arguments: Any) -> list[Image.Image]:
    """One call for all three; each prompt is encoded by itself."""
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    with torch.no_grad():
        encoded = [
            pipe.encode_prompt(
                prompt=prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=guidance > 1
            )
            for prompt in PROMPTS
        ]
    embeds = {name: torch.cat(parts) for name, *parts in zip(names, *encoded, strict=False) if parts[0] is not None}
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in SEEDS]
    call = {"num_inference_steps": 4, "eta": 0.3, "guidance_scale": guidance} | arguments
    return list(pipe(**embeds, generator=generators, **call).images)


def assert_near(ours: list[Image.Image], theirs: list[Image.Image]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        gap = np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max()
        assert gap <= NEAR, f"differ by up to {gap} of 255"


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_embedded(engine: Engine, composer: Composer, guidance: float) -> None:
    ours = together(engine, composer, f"sampling.guidance_scale={guidance}")
    pipe = scripts.load(diffusers.StableDiffusionPipeline, EMOJI, loras=((EMOJI / "tcd_lora", 1.0),), fuse=True)
    for one, other in zip(ours, by_hand(pipe, guidance), strict=True):
        assert_same(one, other)
    assert_near(ours, together(engine, composer, f"sampling.guidance_scale={guidance}", size=1))


def test_sdxl(engine: Engine, composer: Composer, standins: StandIns, thin: Thin) -> None:
    tcd = thin("sdxl", "tcd")
    said = ["base=sdxl", "base.size=64", f"base.source={standins.sdxl}", f"loras.tcd.source={tcd}"]
    pipe = scripts.load(diffusers.StableDiffusionXLPipeline, standins.sdxl, loras=((tcd, 1.0),), fuse=True)
    for one, other in zip(together(engine, composer, *said), by_hand(pipe), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("task", ["image_to_image", "inpainting", "controlnet", "ip_adapter"])
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_inputs_are_those_of_each_image(
    engine: Engine, composer: Composer, standins: StandIns, photo: Path, mask: Path, family: AdapterFamily, task: str
) -> None:
    suffix, models = ("", "sdxl_models") if family == "sdxl" else ("_sd15", "models")
    weights = standins.ip_adapter / models
    image = [f"task={task}", f"task.image={photo}"]
    said = {
        "image_to_image": image,
        "inpainting": [*image, f"task.mask={mask}"],
        "controlnet": [
            f"adapters=[canny{suffix}]",
            f"adapters.canny.source={standins.controlnet(family, 'canny')}",
            f"adapters.canny.image={photo}",
        ],
        "ip_adapter": [
            f"adapters=[ip_adapter{suffix}]",
            f"adapters.ip_adapter.source={next(weights.glob('*.safetensors'))}",
            f"adapters.ip_adapter.image_encoder={weights / 'image_encoder'}",
            f"adapters.ip_adapter.images={photo}",
        ],
    }[task]
    base = [f"base={family}", "base.size=64", f"base.source={standins.base(family)}", "loras=[]"]
    words = [*base, *said]
    assert_near(together(engine, composer, *words), together(engine, composer, *words, size=1))
