"""Image-to-image and inpainting with plain UNets, and the embedded model at all three tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
from PIL import Image, ImageChops

import tcdflow
from tests.fidelity import scripts
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.same import assert_same
from tests.standins import Family, StandIns

EMBEDDED = Path(tcdflow.__file__).parent / "embedded"
EMOJI = EMBEDDED / "emoji"


@pytest.mark.parametrize(
    ("family", "cls", "unet_calls"),
    [
        ("sd15", diffusers.StableDiffusionImg2ImgPipeline, 4),
        ("sdxl", diffusers.StableDiffusionXLImg2ImgPipeline, 4),
    ],
)
def test_image_to_image(
    run: Run, standins: StandIns, thin: Thin, photo: Path, family: Family, cls: Any, unet_calls: int
) -> None:
    base, tcd = standins.base(family), thin(family, "tcd")
    made = run(
        f"base={family}",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        "task=image_to_image",
        f"task.image={photo}",
        "task.strength=0.65",
        "prompt=a tiger on a bench",
        "sampling.steps=7",
    )
    pipe = scripts.pipeline(cls, base, loras=((tcd, 1.0),), fuse=True)
    by_hand = scripts.image(
        pipe, "a tiger on a bench", image=scripts.photo(photo), strength=0.65, num_inference_steps=7
    )
    assert_same(made.images[0], by_hand)
    assert made.record.execution["unet_calls"] == unet_calls


@pytest.mark.parametrize(
    ("family", "cls"),
    [
        ("sd15", diffusers.StableDiffusionInpaintPipeline),
        ("sdxl", diffusers.StableDiffusionXLInpaintPipeline),
    ],
)
def test_inpainting_with_a_unet_of_four_channels(
    run: Run, standins: StandIns, thin: Thin, photo: Path, mask: Path, family: Family, cls: Any
) -> None:
    base, tcd = standins.base(family), thin(family, "tcd")
    made = run(
        f"base={family}",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        "task=inpainting",
        f"task.image={photo}",
        f"task.mask={mask}",
        "prompt=a tiger on a bench",
    )
    pipe = scripts.pipeline(cls, base, loras=((tcd, 1.0),), fuse=True)
    image, white = scripts.photo(photo), scripts.photo(mask)
    by_hand = scripts.image(pipe, "a tiger on a bench", image=image, mask_image=white, strength=0.99)
    assert_same(made.images[0], by_hand)


@pytest.mark.parametrize(
    ("model", "asked"), [("icons", "experiment=quickstart"), ("emoji", "prompt=a fox on a green background")]
)
def test_an_embedded_model_draws_what_a_script_draws(run: Run, model: str, asked: str) -> None:
    folder = EMBEDDED / model
    pipe = scripts.pipeline(diffusers.StableDiffusionPipeline, folder, loras=((folder / "tcd_lora", 1.0),), fuse=True)
    assert_same(run(asked).images[0], scripts.image(pipe, "a fox on a green background"))


def test_embedded_image_to_image(run: Run, photo: Path) -> None:
    made = run("task=image_to_image", f"task.image={photo}", "prompt=a red heart", "sampling.steps=8")
    cls = diffusers.StableDiffusionImg2ImgPipeline
    pipe = scripts.pipeline(cls, EMOJI, loras=((EMOJI / "tcd_lora", 1.0),), fuse=True)
    by_hand = scripts.image(pipe, "a red heart", image=scripts.photo(photo), strength=0.8, num_inference_steps=8)
    assert_same(made.images[0], by_hand)


def test_embedded_inpainting(run: Run, photo: Path, mask: Path) -> None:
    made = run("task=inpainting", f"task.image={photo}", f"task.mask={mask}", "prompt=a red heart")
    cls = diffusers.StableDiffusionInpaintPipeline
    pipe = scripts.pipeline(cls, EMOJI, loras=((EMOJI / "tcd_lora", 1.0),), fuse=True)
    image, white = scripts.photo(photo), scripts.photo(mask)
    by_hand = scripts.image(pipe, "a red heart", image=image, mask_image=white, strength=0.99)
    assert_same(made.images[0], by_hand)


def test_pasting_back_keeps_what_lies_outside(run: Run, photo: Path, mask: Path) -> None:
    """Alone and in a batch: the pipeline's pixels where the mask is white, and the resized input's elsewhere."""
    task = ["task=inpainting", f"task.image={photo}", f"task.mask={mask}", "prompt=a red heart"]
    plain = run(*task)
    kept = run(*task, "task.paste_back=true")
    both = run(*task, "task.paste_back=true", "sampling.num_images=2", "runtime.batch_size=2")
    given = scripts.photo(photo)
    white = scripts.photo(mask).convert("L").point(lambda value: 255 * (value >= 128))
    assert_same(kept.images[0], Image.composite(plain.images[0], given, white))
    for image in both.images:
        outside = Image.composite(Image.new("RGB", image.size), image, white)
        assert_same(outside, Image.composite(Image.new("RGB", image.size), given, white))
    assert kept.record.key != plain.record.key
    assert kept.record.inputs == plain.record.inputs


def test_an_inverted_mask_is_the_other_one(run: Run, photo: Path, mask: Path, tmp_path: Path) -> None:
    with Image.open(mask) as image:
        ImageChops.invert(image.convert("RGB")).save(tmp_path / "other.png")
    task = ["task=inpainting", f"task.image={photo}", "prompt=a red heart", "sampling.steps=2"]
    inverted = run(*task, f"task.mask={mask}", "task.mask_invert=true")
    assert_same(inverted.images[0], run(*task, f"task.mask={tmp_path / 'other.png'}").images[0])
