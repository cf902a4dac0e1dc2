"""Weights in other files than the plain folder of a base: one checkpoint, fp16, with a safety checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest

from tcdflow.errors import ConfigError
from tests.fidelity import scripts
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.same import assert_same, equal
from tests.standins import AdapterFamily, StandIns

PROMPT = "a photograph of an astronaut riding a horse"


def pipeline_class(family: AdapterFamily) -> Any:
    return diffusers.StableDiffusionXLPipeline if family == "sdxl" else diffusers.StableDiffusionPipeline


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_single_file(run: Run, standins: StandIns, thin: Thin, family: AdapterFamily) -> None:
    file, folder, tcd = standins.single_file(family), standins.base(family), thin(family, "tcd")
    made = run(
        f"base={family}",
        "base.size=64",
        f"base.source={file}",
        f"base.config={folder}",
        f"loras.tcd.source={tcd}",
        f"prompt={PROMPT}",
    )
    loras = ((tcd, 1.0),)
    pipe = scripts.load(pipeline_class(family), file, config=folder, loras=loras, fuse=True)
    assert_same(made.images[0], scripts.image(pipe, PROMPT))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_fp16_files_in_a_float32_run(run: Run, standins: StandIns, thin: Thin, family: AdapterFamily) -> None:
    folder, tcd = standins.base(family), thin(family, "tcd")
    asked = [
        f"base={family}",
        "base.size=64",
        f"base.source={folder}",
        f"loras.tcd.source={tcd}",
        f"prompt={PROMPT}",
        "runtime.dtype=float32",
    ]
    made = run(*asked, "base.variant=fp16")
    pipe = scripts.load(pipeline_class(family), folder, variant="fp16", loras=((tcd, 1.0),), fuse=True)
    assert_same(made.images[0], scripts.image(pipe, PROMPT))
    assert not equal(made.images[0], run(*asked).images[0]), "the files of fp16 make the image of those of float32"


def test_safety_checker(run: Run, standins: StandIns) -> None:
    folder = standins.sd15_with_safety_checker
    asked = ["base=sd15", "base.size=64", f"base.source={folder}", "loras=[]", f"prompt={PROMPT}"]
    by_hand = scripts.image(scripts.load(diffusers.StableDiffusionPipeline, folder), PROMPT)
    assert_same(run(*asked, "base.safety_checker=true").images[0], by_hand)
    assert_same(run(*asked).images[0], by_hand)


def test_a_controlnet_of_one_file(run: Run, standins: StandIns, thin: Thin, photo: Path) -> None:
    """One file makes the image that the folder makes, and follows the folder's config alone."""
    net = standins.controlnet("sdxl", "canny")
    asked = [
        "base=sdxl",
        "base.size=64",
        f"base.source={standins.sdxl}",
        f"loras.tcd.source={thin('sdxl', 'tcd')}",
        f"prompt={PROMPT}",
        "adapters=[canny]",
        f"adapters.canny.image={photo}",
    ]
    folder = run(*asked, f"adapters.canny.source={net}")
    file = run(
        *asked,
        f"adapters.canny.source={net / 'diffusion_pytorch_model.safetensors'}",
        f"adapters.canny.config={net}",
    )
    assert_same(file.images[0], folder.images[0])
    assert [entry.file for entry in file.record.lock if entry.role == "adapters.canny.config"] == ["config.json"]


def test_a_motion_adapter_of_one_file(run: Run, standins: StandIns, thin: Thin) -> None:
    adapter = standins.motion_adapter("v1-5")
    asked = [
        "base=toonyou",
        "base.size=64",
        f"base.source={standins.sd15_finetune}",
        f"loras.tcd.source={thin('sd15', 'tcd')}",
        "task=animation",
        "task.num_frames=2",
        "adapters=[motion]",
        "scheduler=tcd_linear",
        f"prompt={PROMPT}",
    ]
    folder = run(*asked, f"adapters.motion.source={adapter}")
    file = run(
        *asked,
        f"adapters.motion.source={adapter / 'diffusion_pytorch_model.safetensors'}",
        f"adapters.motion.config={adapter}",
    )
    assert equal(file.images[0], folder.images[0])


def test_a_single_file_without_its_config_is_refused(run: Run, standins: StandIns, photo: Path) -> None:
    file = standins.controlnet("sdxl", "canny") / "diffusion_pytorch_model.safetensors"
    with pytest.raises(ConfigError, match=r"adapters\.canny\.config: a single weight file needs"):
        run(
            "base=sdxl",
            f"base.source={standins.sdxl}",
            "loras=[]",
            f"prompt={PROMPT}",
            "adapters=[canny]",
            f"adapters.canny.image={photo}",
            f"adapters.canny.source={file}",
            "adapters.canny.config=null",
        )


def test_more_frames_than_the_motion_adapter_knows_are_refused(run: Run, standins: StandIns) -> None:
    asked = [f"base.source={standins.sd15_finetune}", f"adapters.motion.source={standins.motion_adapter('v1-5')}"]
    with pytest.raises(ConfigError, match=r"task\.num_frames = 33: this motion adapter takes at most 32"):
        run(
            "base=toonyou",
            "task=animation",
            "adapters=[motion]",
            "loras=[]",
            *asked,
            "base.size=64",
            "task.num_frames=33",
        )
