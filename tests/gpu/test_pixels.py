"""Pixels on the card: those of a script on the same card, and of a warm engine as of a cold one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, TCDScheduler, UNet2DConditionModel
from PIL import Image

import tcdflow
from tcdflow import api
from tests.fidelity.from_record import assert_script_makes
from tests.fidelity.same import assert_same, equal
from tests.gpu.conftest import Run
from tests.standins import Family, StandIns

pytestmark = pytest.mark.gpu

DTYPES = ["float32", "float16", "bfloat16"]


def by_hand(base: Path, lora: Path, device: str, dtype: str, fuse: bool) -> Image.Image:
    """Make an image as the guide's scripts do: nothing here knows tcdflow."""
    variant = None if dtype == "float32" else "fp16"  # smaller files, which tcdflow takes for 16 bits, too
    pipe: Any = DiffusionPipeline.from_pretrained(base, dtype=getattr(torch, dtype), variant=variant).to(device)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(lora)
    if fuse:
        pipe.fuse_lora()
    made = pipe(
        "a red fox",
        num_inference_steps=4,
        guidance_scale=0,
        eta=0.3,
        generator=torch.Generator("cpu").manual_seed(0),
    ).images[0]
    assert isinstance(made, Image.Image)
    return made


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "unfused"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_those_of_a_script(
    family: Family, dtype: str, fuse: bool, device: str, standins: StandIns, tmp_path: Path
) -> None:
    if (device, dtype) == ("cpu", "float16"):
        pytest.skip("refused on a CPU")
    base = getattr(standins, family)
    lora = standins.lora(family, "tcd")
    made = tcdflow.run(
        f"base={family}",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={lora}",
        "prompt=a red fox",
        f"lora_stack.fuse={str(fuse).lower()}",
        f"runtime.device={device}",
        f"runtime.dtype={dtype}",
        f"hydra.run.dir={tmp_path}",
    )
    assert made.record.environment["device"].startswith(device)
    assert_same(made.images[0], by_hand(base, lora, device, dtype, fuse))
    assert_script_makes(made)


def test_a_warm_engine_makes_those_of_a_cold_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after another LoRA stack, other options and a failure in between."""
    api._engine().close()
    first = run()

    def fails(*args: object, **more: object) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(UNet2DConditionModel, "forward", fails)
        with pytest.raises(RuntimeError, match="a fault"):
            run()
    assert equal(run().images[0], first.images[0])
    run("loras=[]", "scheduler=ddim", "sampling.guidance_scale=3")
    run("lora_stack.fuse=false", "sampling.steps=2", "runtime.channels_last=true")
    assert equal(run().images[0], first.images[0])


def test_a_batch_is_near_to_its_images_alone(run: Run) -> None:
    """Kernels are chosen by shape, so the last bits of a batch are its own."""
    alone = run("sampling.num_images=4").images
    together = run("sampling.num_images=4", "runtime.batch_size=4").images
    for one, other in zip(alone, together, strict=True):
        gap = np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int))
        assert gap.mean() < 2, gap.mean()


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_lora_comes_off_without_a_trace(family: Family, run: Run) -> None:
    bare = run("loras=[]", family=family).images[0]
    for fuse in ("true", "false"):
        with_lora = run(f"lora_stack.fuse={fuse}", family=family).images[0]
        assert not equal(with_lora, bare)
        assert equal(run("loras=[]", family=family).images[0], bare)
