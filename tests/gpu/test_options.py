"""Each runtime option on the card: it takes effect, and changes as much as its description says."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fidelity.same import equal
from tests.gpu.conftest import Run

pytestmark = pytest.mark.gpu


def gap(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two images, of 255."""
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).mean())


@pytest.mark.parametrize("kind", ["model", "sequential", "group"])
@pytest.mark.parametrize("fuse", ["true", "false"])
@pytest.mark.usefixtures("card")
def test_offload_changes_no_bits(kind: str, fuse: str, run: Run) -> None:
    plain = run(f"lora_stack.fuse={fuse}")
    moved = run(f"lora_stack.fuse={fuse}", f"runtime.offload={kind}")
    assert equal(moved.images[0], plain.images[0])
    assert equal(run(f"lora_stack.fuse={fuse}").images[0], plain.images[0]), "the hooks stay"


@pytest.mark.usefixtures("card")
def test_model_offload_takes_less_memory(run: Run) -> None:
    plain, moved = (run(f"runtime.offload={kind}").record.execution["peak_memory_bytes"] for kind in ("none", "model"))
    assert moved < plain


@pytest.mark.parametrize(
    ("option", "most"),
    [
        ("runtime.channels_last=true", 2.0),
        ("runtime.vae_slicing=true", 0.5),
        ("runtime.deterministic=true", 2.0),
        ("runtime.compile={scope: blocks, mode: default, backend: eager}", 0.5),
    ],
)
def test_nearly_the_same_image(option: str, most: float, run: Run) -> None:
    dtype = "runtime.dtype=float32"
    assert gap(run(dtype, option).images[0], run(dtype).images[0]) <= most


@pytest.mark.usefixtures("card")
def test_tf32(run: Run) -> None:
    exact = run("runtime.dtype=float32").images[0]
    assert gap(run("runtime.dtype=float32", "runtime.tf32=true").images[0], exact) < 4
    assert equal(run("runtime.dtype=float32").images[0], exact), "it stays on"


@pytest.mark.parametrize("storage", ["float8_e4m3fn", "float8_e5m2"])
def test_layerwise_casting(storage: str, run: Run) -> None:
    cast = run(f"runtime.layerwise_casting={storage}", "runtime.dtype=bfloat16").images[0]
    assert not equal(cast, run("runtime.dtype=bfloat16").images[0])


@pytest.mark.usefixtures("card")
def test_deterministic_twice(run: Run) -> None:
    one, other = (run("runtime.deterministic=true", "runtime.dtype=float16").images[0] for _ in range(2))
    assert equal(one, other)


@pytest.mark.usefixtures("card")
@pytest.mark.skipif(shutil.which("cc") is None, reason="Triton needs a C compiler")
@pytest.mark.parametrize("scope", ["blocks", "unet"])
def test_compiled(scope: str, run: Run) -> None:
    compiled = run(f"runtime.compile={{scope: {scope}, mode: default, backend: inductor}}").images[0]
    assert gap(compiled, run().images[0]) < 4


@pytest.mark.usefixtures("card")
def test_the_record_says_card_and_memory(run: Run) -> None:
    made = run()
    assert made.record.environment["device_name"] == torch.cuda.get_device_name()
    peak = made.record.execution["peak_memory_bytes"]
    assert 0 < peak <= torch.cuda.max_memory_allocated()
