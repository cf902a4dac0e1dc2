"""The scripts that ``tcdflow show --python`` writes make the pixels of their runs."""

from __future__ import annotations

import inspect
import random
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import pytest
from PIL import Image

from tcdflow.script.signatures import signature
from tcdflow.spec.adapter import ADAPTERS
from tcdflow.spec.family import FAMILIES
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.from_record import assert_script_makes
from tests.fidelity.test_warm_is_cold import drawn
from tests.standins import StandIns


@pytest.fixture
def sd15(standins: StandIns, thin: Thin) -> list[str]:
    """Stable Diffusion 1.5 with its TCD-LoRA."""
    source = f"base.source={standins.sd15}"
    return ["base=sd15", "base.size=64", source, f"loras.tcd.source={thin('sd15', 'tcd')}", "prompt=a tiger"]


def transparent(photo: Path, folder: Path) -> Path:
    """A photo of which a part is transparent, which ``load_image`` does not see."""
    with Image.open(photo) as image:
        rgba = image.convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    rgba.save(folder / "transparent.png")
    return folder / "transparent.png"


PAINTED = ["task=inpainting", "task.image=PHOTO", "task.mask=MASK", "task.strength=0.8"]
MASKED = ["task.mask_threshold=90", "task.mask_invert=true", "task.mask_padding=3", "task.mask_blur=2"]
VARIANTS = {
    "a batch": ["sampling.seed=[3,1,4]", "runtime.batch_size=2"],
    "a batch of image to image": [
        "task=image_to_image",
        "task.image=PHOTO",
        "sampling.num_images=3",
        "runtime.batch_size=3",
    ],
    "a batch of inpainting": [*PAINTED, "sampling.num_images=3", "runtime.batch_size=2"],
    "a mask": [*PAINTED, *MASKED, "task.paste_back=true", "task.fit=crop"],
    "a transparent image": ["task=image_to_image", "task.image=TRANSPARENT"],
    "clip_skip and guidance": [
        "sampling.clip_skip=1",
        "sampling.guidance_scale=3",
        'negative_prompt="it\'s \\"snow\\""',
    ],
    "runtime options": ["runtime.vae_slicing=true", "runtime.channels_last=true", "runtime.tiny_vae=TINY"],
    "edges": ["adapters=[canny_sd15]", "adapters.canny.source=CANNY", "adapters.canny.image=PHOTO"],
    "tiles and a sketch": [
        "++adapters.a={kind: t2i_adapter, family: sd15, source: GREY, image: PHOTO, preprocessor: {name: tile}}",
        "++adapters.b={kind: t2i_adapter, family: sd15, source: COLOUR, image: PHOTO, preprocessor: {name: invert}}",
    ],
    "weights by block": ["loras.tcd.weight={unet: {down: 0.2, mid: 0.9}}", "lora_stack.fuse=false"],
    "compiled blocks": ["runtime.compile={scope: blocks, backend: eager}", "sampling.steps=2"],
    "a compiled UNet": ["runtime.compile={scope: unet, backend: eager}", "sampling.steps=2"],
    "8 bits": ["runtime.layerwise_casting=float8_e4m3fn"],
    "one file": ["base.source=CHECKPOINT", "base.config=FOLDER", "base.vae=VAE"],
    "another VAE": ["base.vae=VAE", "scheduler=dpmpp_2m", "scheduler.use_karras_sigmas=true"],
}
"""Runs that the guide's workflows are not like. Paths stand in capitals."""


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_variants(
    run: Run, sd15: list[str], standins: StandIns, photo: Path, mask: Path, tmp_path: Path, name: str
) -> None:
    paths = {
        "PHOTO": photo,
        "MASK": mask,
        "TRANSPARENT": transparent(photo, tmp_path),
        "TINY": standins.tiny_vae,
        "CANNY": standins.controlnet("sd15", "canny"),
        "GREY": standins.t2i_adapter("sd15", grey=True),
        "COLOUR": standins.t2i_adapter("sd15"),
        "CHECKPOINT": standins.single_file("sd15"),
        "FOLDER": standins.sd15,
        "VAE": standins.other_vae("sd15"),
    }
    said = list(VARIANTS[name])
    for word, path in paths.items():
        said = [text.replace(word, str(path)) for text in said]
    assert_script_makes(run(*sd15, *said))


@pytest.mark.slow
def test_any_run(run: Run, standins: StandIns, thin: Thin, photo: Path, mask: Path) -> None:
    rng = random.Random(7)
    for _ in range(20):
        assert_script_makes(run(*drawn(rng, standins, thin, photo, mask)))


def parameters(function: Any) -> tuple[str, ...]:
    named = inspect.signature(function).parameters.values()
    return tuple(one.name for one in named if one.kind is not one.VAR_KEYWORD)[1:]


def test_signatures_are_those_of_the_classes() -> None:
    """What is read of the source is what the classes take once they are imported."""
    pipelines = {name for family in FAMILIES.values() for name in family.pipelines.values()}
    pipelines |= {name for kind in ADAPTERS.values() for name in kind.pipelines.values()}
    assert len(pipelines) >= 14
    for pipeline in pipelines:
        found, (module, _, name) = signature(pipeline), pipeline.partition(":")
        cls = getattr(import_module(f"diffusers.pipelines.{module}"), name)
        assert getattr(diffusers, name) is cls
        assert found.call == parameters(cls.__call__)
        assert found.parts == parameters(cls.__init__)
        assert found.loads_loras == hasattr(cls, "load_lora_weights")
