"""Each runtime option on the card: it takes effect, and changes as much as its description says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image

from tcdflow.errors import ConfigError
from tcdflow.pipeline import cublas
from tests.fidelity.from_record import assert_script_makes
from tests.fidelity.same import equal
from tests.gpu.conftest import Process, Run
from tests.standins import Family

FAMILIES = ["sd15", "sdxl"]

pytestmark = pytest.mark.gpu


def gap(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two images, of 255."""
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).mean())


@pytest.mark.parametrize("kind", ["model", "sequential", "group"])
@pytest.mark.parametrize("fuse", ["true", "false"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("card")
def test_offload_changes_no_bits(kind: str, fuse: str, family: Family, run: Run) -> None:
    """Also for SDXL in float16, whose VAE decodes in float32; nor does the run's script."""
    plain = run(f"lora_stack.fuse={fuse}", family=family)
    for _ in range(2):
        moved = run(f"lora_stack.fuse={fuse}", f"runtime.offload={kind}", family=family)
        assert equal(moved.images[0], plain.images[0])
    assert_script_makes(moved)
    assert equal(run(f"lora_stack.fuse={fuse}", family=family).images[0], plain.images[0]), "the hooks stay"


@pytest.mark.usefixtures("card")
def test_model_offload_takes_less_memory(run: Run) -> None:
    plain, moved = (run(f"runtime.offload={kind}").record.execution["peak_memory_bytes"] for kind in ("none", "model"))
    assert moved < plain


@dataclass
class Watched:
    """What a run was made with, as it was while it was made.

    Attributes:
        channels_last: whether the UNet's convolutions are laid out so.
        slicing: whether the VAE decodes image by image.
    """

    channels_last: bool = False
    slicing: bool = False

    @property
    def graphs(self) -> int:
        """How many were traced."""
        return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched()
    predict, decode = UNet2DConditionModel.forward, AutoencoderKL.decode

    @wraps(predict)
    def predicts(self: Any, *args: Any, **more: Any) -> Any:
        found.channels_last = self.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
        return predict(self, *args, **more)

    @wraps(decode)
    def decodes(self: Any, *args: Any, **more: Any) -> Any:
        found.slicing = self.use_slicing
        return decode(self, *args, **more)

    monkeypatch.setattr(UNet2DConditionModel, "forward", predicts)
    monkeypatch.setattr(AutoencoderKL, "decode", decodes)
    torch._dynamo.utils.counters.clear()
    return found


@pytest.mark.parametrize(
    ("option", "most", "effect"),
    [
        ("runtime.channels_last=true", 2.0, lambda watched: watched.channels_last),
        ("runtime.vae_slicing=true", 0.5, lambda watched: watched.slicing),
        (
            "runtime.compile={scope: blocks, mode: default, backend: eager}",
            0.5,
            lambda watched: watched.graphs > 0,
        ),
    ],
    ids=["channels last", "slicing", "compile"],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_nearly_the_same_image(
    option: str, most: float, effect: Callable[[Watched], bool], family: Family, run: Run, watched: Watched
) -> None:
    dtype = "runtime.dtype=float32"
    plain = run(dtype, family=family)
    assert not effect(watched)
    made = run(dtype, option, family=family)
    assert effect(watched)
    assert gap(made.images[0], plain.images[0]) <= most


@pytest.mark.usefixtures("card")
def test_tf32(run: Run) -> None:
    exact, quick = run("runtime.dtype=float32"), run("runtime.dtype=float32", "runtime.tf32=true")
    assert [one.record.environment["tf32"] for one in (exact, quick)] == [False, True]
    assert gap(quick.images[0], exact.images[0]) < 4
    assert equal(run("runtime.dtype=float32").images[0], exact.images[0]), "it stays on"


@pytest.mark.parametrize("storage", ["float8_e4m3fn", "float8_e5m2"])
def test_layerwise_casting(storage: str, run: Run) -> None:
    cast = run(f"runtime.layerwise_casting={storage}", "runtime.dtype=bfloat16").images[0]
    assert not equal(cast, run("runtime.dtype=bfloat16").images[0])


@pytest.mark.usefixtures("card")
def test_what_is_cast_takes_less_memory(run: Run) -> None:
    """In an engine that restores weights, too: nothing holds those that were cast."""
    options = (
        (),
        ("runtime.layerwise_casting=float8_e4m3fn",),
        ("runtime.layerwise_casting=float8_e4m3fn", "loras=[]"),
    )
    plain, cast, bare = (run(*how).record.execution["peak_memory_bytes"] for how in options)
    assert cast < plain
    assert cast <= 1.1 * bare


def test_deterministic_twice(device: str, process: Process) -> None:
    """Each in a process of its own, since one keeps the cuBLAS workspace of its first run."""
    dtype = f"runtime.dtype={'float16' if device == 'cuda' else 'float32'}"
    made = [process("runtime.deterministic=true", dtype) for _ in range(2)]
    assert [one.environment["deterministic"] for one in made] == [True, True]
    assert made[0].outputs[0].pixel_sha256 == made[1].outputs[0].pixel_sha256


@pytest.mark.usefixtures("card")
def test_deterministic_after_another_run_is_refused(run: Run) -> None:
    if cublas.given() is not None:
        pytest.skip(f"{cublas.VARIABLE} is set")
    plain = run()
    with pytest.raises(ConfigError, match=r"runtime\.deterministic = True: what this process first computed"):
        run("runtime.deterministic=true")
    assert equal(run().images[0], plain.images[0])


@pytest.mark.usefixtures("card")
@pytest.mark.skipif(torch.version.cuda is None, reason="the stand-in of a card runs nothing that is compiled")
@pytest.mark.skipif(shutil.which("cc") is None, reason="Triton needs a C compiler")
@pytest.mark.parametrize("scope", ["blocks", "unet"])
def test_compiled(scope: str, run: Run, watched: Watched) -> None:
    family: Family = "sdxl" if scope == "blocks" else "sd15"
    compiled = run(f"runtime.compile={{scope: {scope}, mode: default, backend: inductor}}", family=family).images[0]
    assert watched.graphs > 0
    assert gap(compiled, run(family=family).images[0]) < 4


@pytest.mark.usefixtures("card")
def test_the_record_says_card_and_its_own_memory(run: Run) -> None:
    small, large, again = (run(f"sampling.width={side}", f"sampling.height={side}") for side in (64, 512, 64))
    assert small.record.environment["device_name"] == torch.cuda.get_device_name()
    peaks = [made.record.execution["peak_memory_bytes"] for made in (small, large, again)]
    assert peaks[0] < peaks[1], "an image of 64 times the pixels takes more"
    assert peaks[2] < peaks[1], "the peak of an earlier run"
