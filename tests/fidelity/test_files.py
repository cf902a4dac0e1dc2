"""Weights in other files than the plain folder of a base: one checkpoint, fp16, with a safety checker."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest

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
    assert_same(made.images[0], scripts.picture(pipe, PROMPT))


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
    assert_same(made.images[0], scripts.picture(pipe, PROMPT))
    assert not equal(made.images[0], run(*asked).images[0]), "the files of fp16 make the picture of those of float32"


@pytest.mark.parametrize("flagging", [False, True])
def test_safety_checker(run: Run, standins: StandIns, flagging: bool) -> None:
    folder = standins.sd15_flagging if flagging else standins.sd15_with_safety_checker
    asked = ["base=sd15", "base.size=64", f"base.source={folder}", "loras=[]", f"prompt={PROMPT}"]
    made = run(*asked, "base.safety_checker=true").images[0]
    by_hand = scripts.picture(scripts.load(diffusers.StableDiffusionPipeline, folder), PROMPT)
    without = run(*asked).images[0]
    if flagging:
        assert equal(made, by_hand)
        assert not np.asarray(made).any()
        assert np.asarray(without).any()
    else:
        assert_same(made, by_hand)
        assert_same(without, by_hand)
