"""VAEs in place of a base's own, and checkpoints of one file: pixels as those of plain diffusers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from diffusers.utils import load_image
from PIL import Image
from safetensors.torch import load_file, save_file

from tcdflow.errors import ConfigError
from tests.fidelity import scripts
from tests.fidelity.conftest import Run
from tests.fidelity.from_record import assert_script_makes
from tests.fidelity.same import assert_same, equal
from tests.standins import AdapterFamily, Family, StandIns

PROMPT = "a photograph of an astronaut riding a horse"


def asked(standins: StandIns, family: Family, **sources: Path) -> list[str]:
    base = {"sd21": "sd21_base"}.get(family, family)
    named = {"base.source": standins.base(family), **{key.replace("_", ".", 1): path for key, path in sources.items()}}
    return [f"base={base}", "base.size=64", "loras=[]", f"prompt={PROMPT}", "sampling.steps=2",
            *(f"{key}={path}" for key, path in named.items())]  # fmt: skip


def with_vae(cls: Any, standins: StandIns, family: Family) -> Any:
    """A pipeline as people write it: with a VAE from elsewhere."""
    vae = AutoencoderKL.from_pretrained(standins.other_vae(family), dtype=torch.float32)
    pipe = cls.from_pretrained(standins.base(family), vae=vae, dtype=torch.float32)
    pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.scheduler.config)
    return pipe


def assert_alike(made: Image.Image, expected: Image.Image) -> None:
    """The same weights from another kind of file: on a CPU the last bits depend on where they lie in memory."""
    gap = np.abs(np.asarray(made).astype(int) - np.asarray(expected).astype(int))
    assert gap.max() <= 1
    assert gap.mean() < 0.01


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_vae_of_a_folder(run: Run, standins: StandIns, family: AdapterFamily) -> None:
    made = run(*asked(standins, family, base_vae=standins.other_vae(family)))
    cls = diffusers.StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
    pipe = with_vae(cls, standins, family)
    assert_same(made.images[0], scripts.image(pipe, PROMPT, num_inference_steps=2))
    assert not equal(made.images[0], run(*asked(standins, family)).images[0])
    roles = {(entry.role, entry.file) for entry in made.record.lock}
    assert ("base.vae", "diffusion_pytorch_model.safetensors") in roles
    assert ("base", "vae/diffusion_pytorch_model.safetensors") not in roles


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_vae_of_one_file_is_the_folder_it_was_made_of(run: Run, standins: StandIns, family: AdapterFamily) -> None:
    plain = run(*asked(standins, family))
    made = run(*asked(standins, family, base_vae=standins.vae_file(family)))
    assert_alike(made.images[0], plain.images[0])


def test_a_vae_reads_the_image_too(run: Run, standins: StandIns, photo: Path, mask: Path) -> None:
    """Image to image, inpainting and a batch, on one warm engine: it stays where the pipeline changes."""
    words = asked(standins, "sd15", base_vae=standins.other_vae("sd15"))
    image = ["task=image_to_image", f"task.image={photo}", "task.strength=1"]
    painted = ["task=inpainting", f"task.image={photo}", f"task.mask={mask}", "task.strength=1"]
    cold = {tuple(task): run(*words, *task).images for task in (image, painted)}
    run(*words)
    assert equal(run(*words, *painted).images[0], cold[tuple(painted)][0])
    assert equal(run(*words, *image).images[0], cold[tuple(image)][0])
    pipe = with_vae(diffusers.StableDiffusionImg2ImgPipeline, standins, "sd15")
    resized = load_image(str(photo)).resize((64, 64))
    arguments = {"image": resized, "strength": 1.0, "num_inference_steps": 2}
    assert_same(cold[tuple(image)][0], scripts.image(pipe, PROMPT, **arguments))
    batch = run(*words, "sampling.num_images=2", "runtime.batch_size=2")
    assert len(batch.images) == 2


def test_a_vae_of_an_animation(run: Run, standins: StandIns) -> None:
    words = asked(standins, "sd15", base_vae=standins.other_vae("sd15"), adapters_motion=Path())[:-1]
    words += ["task=animation", "task.num_frames=2", "adapters=[motion]", "scheduler=tcd_linear",
              f"adapters.motion.source={standins.motion_adapter('v1-5')}"]  # fmt: skip
    other = run(*words)
    plain = run(*(word for word in words if not word.startswith("base.vae")))
    assert len(other.animations[0]) == 2
    assert not equal(other.images[0], plain.images[0])


def test_a_tiny_vae_takes_its_place(run: Run, standins: StandIns) -> None:
    tiny = f"runtime.tiny_vae={standins.tiny_vae}"
    made = run(*asked(standins, "sd15", base_vae=standins.other_vae("sd15")), tiny)
    assert equal(made.images[0], run(*asked(standins, "sd15"), tiny).images[0])
    assert any("base.vae has no effect" in line for line in made.record.warnings)


def test_a_tiny_vae_in_half_precision(run: Run, standins: StandIns) -> None:
    """Its folder has weights of both kinds, as the hub's have."""
    tiny = f"runtime.tiny_vae={standins.tiny_vae}"
    assert_script_makes(run(*asked(standins, "sd15"), tiny, "runtime.dtype=bfloat16"))


def test_a_checkpoint_without_a_vae(run: Run, standins: StandIns, tmp_path: Path) -> None:
    whole, layout = standins.single_file("sd15"), standins.sd15
    tensors = {key: value for key, value in load_file(whole).items() if not key.startswith("first_stage_model.")}
    bare = tmp_path / "bare.safetensors"
    save_file(tensors, bare)
    made = run(*asked(standins, "sd15"), f"base.source={bare}", f"base.config={layout}")
    expected = run(*asked(standins, "sd15"), f"base.source={whole}", f"base.config={layout}")
    assert_alike(made.images[0], expected.images[0])
    assert made.record.warnings[-1].startswith("base.source holds no VAE; that of ")
    assert {entry.role for entry in made.record.lock} == {"base", "base.config", "base.vae"}
    configs = shutil.copytree(layout, tmp_path / "configs", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(ConfigError, match=r"base\.vae: the checkpoint holds no VAE, and neither does base\.config="):
        run(*asked(standins, "sd15"), f"base.source={bare}", f"base.config={configs}")


def test_sd21_as_one_file_with_the_names_of_open_clip(run: Run, standins: StandIns) -> None:
    """Its file has a block of the text encoder that is not used, and what OpenCLIP trains with."""
    folder = run(*asked(standins, "sd21"))
    file = run(
        *asked(standins, "sd21"), f"base.source={standins.single_file('sd21')}", f"base.config={standins.sd21_base}"
    )
    assert_alike(file.images[0], folder.images[0])


def test_a_checkpoint_with_the_average_of_its_training(run: Run, standins: StandIns, tmp_path: Path) -> None:
    """``v1-5-pruned.safetensors`` has two UNets; diffusers takes the plain one, and it is told."""
    whole, layout = standins.single_file("sd15"), standins.sd15
    tensors = load_file(whole)
    for key, value in list(tensors.items()):
        if key.startswith("model.diffusion_model."):
            tensors["model_ema." + key.removeprefix("model.").replace(".", "", 9)] = value * 0.5
    save_file(tensors, tmp_path / "ema.safetensors")
    words = [*asked(standins, "sd15"), f"base.config={layout}"]
    made = run(*words, f"base.source={tmp_path / 'ema.safetensors'}")
    assert_alike(made.images[0], run(*words, f"base.source={whole}").images[0])
    assert any("EMA weights" in line for line in made.record.warnings)


def test_a_controlnet_of_one_file_in_the_original_layout(run: Run, standins: StandIns, photo: Path) -> None:
    net = standins.controlnet("sd15", "canny")
    words = [*asked(standins, "sd15"), "adapters=[canny_sd15]", f"adapters.canny.image={photo}"]
    folder = run(*words, f"adapters.canny.source={net}")
    one = standins.controlnet_file("sd15", "canny")
    file = run(*words, f"adapters.canny.source={one}", f"adapters.canny.config={net}")
    assert_alike(file.images[0], folder.images[0])
