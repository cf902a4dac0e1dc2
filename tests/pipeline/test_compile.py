"""A compiled UNet makes what it made before, is compiled once for all stacks, and says in one line why it is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tcdflow.errors import RunError
from tcdflow.pipeline.loras import LoraStack
from tcdflow.pipeline.optimizations import computing
from tcdflow.spec.model import CompileSpec, RuntimeSpec
from tests.pipeline.test_loras import entry, latents, load
from tests.pipeline.test_optimizations import make, near
from tests.standins import StandIns


@pytest.mark.parametrize("scope", [pytest.param("unet", marks=pytest.mark.slow), "blocks"])
def test_compilation_compiles_once_for_all_fused_stacks(standins: StandIns, scope: Any) -> None:
    import torch._dynamo
    from torch._dynamo.utils import counters

    pipe = load(standins, "sd15")
    bare, stack = latents(pipe), LoraStack(pipe)
    runtime = RuntimeSpec(compile=CompileSpec(scope=scope, backend="eager"))
    torch._dynamo.reset()
    counters.clear()
    with computing(runtime):
        made = make(pipe, runtime)
        assert torch.equal(latents(pipe), bare)
        graphs = counters["stats"]["unique_graphs"]
        assert graphs > 0
        pictures = []
        for weight in (1.0, 0.5, 1.0):
            made.suspend()
            stack.attach([entry(standins, "sd15", "tcd", weight)], fuse=True)
            made.after_loras()
            pictures.append(latents(pipe))
            made.suspend()
            stack.detach()
        assert torch.equal(latents(pipe), bare)
        assert counters["stats"]["unique_graphs"] == graphs
    assert torch.equal(pictures[0], pictures[2])
    assert not torch.equal(pictures[0], pictures[1])


def test_an_unfused_stack_is_compiled_with_its_loras(standins: StandIns) -> None:
    pipe = load(standins, "sd15")
    stack = LoraStack(pipe)
    stack.attach([entry(standins, "sd15", "style")], fuse=False)
    expected = latents(pipe)
    runtime = RuntimeSpec(compile=CompileSpec(backend="eager"))
    with computing(runtime):
        make(pipe, runtime)
        assert torch.equal(latents(pipe), expected)
        stack.reweight([0.5])
        half = latents(pipe)
    assert not torch.equal(half, expected)


def test_a_missing_compiler_is_answered_in_one_line() -> None:
    from torch._inductor.exc import InvalidCxxCompiler

    runtime = RuntimeSpec(compile=CompileSpec())
    with pytest.raises(RunError, match="inductor needs a C\\+\\+ compiler") as caught, computing(runtime):
        raise InvalidCxxCompiler
    assert "\n" not in str(caught.value)


def one_block_of(unet: Any) -> Any:
    """A UNet like this one, with as little in it as can be."""
    few = {
        "block_out_channels": unet.config.block_out_channels[:1],
        "down_block_types": ["CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D"],
        "layers_per_block": 1,
    }
    return type(unet).from_config({**unet.config, **few})


@pytest.mark.parametrize("scope", ["unet", "blocks"])
def test_a_unet_that_cannot_be_compiled_is_answered_in_one_line(
    standins: StandIns, monkeypatch: pytest.MonkeyPatch, scope: Any
) -> None:
    import torch._dynamo
    from torch._dynamo.backends import registry

    def fail(graph: Any, inputs: Any) -> Any:
        raise ValueError("no such\nthing")

    torch._dynamo.reset()
    torch._dynamo.lookup_backend("eager")
    monkeypatch.setitem(registry._COMPILER_FNS, "eager", fail)
    pipe, runtime = load(standins, "sd15"), RuntimeSpec(compile=CompileSpec(scope=scope, backend="eager"))
    pipe.unet = one_block_of(pipe.unet)  # all of it is traced before it is compiled
    make(pipe, runtime)
    said = r"^runtime\.compile: eager cannot compile .*no such thing"
    with pytest.raises(RunError, match=said) as caught, computing(runtime):
        latents(pipe)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_an_animated_unet_is_compiled_by_its_blocks(standins: StandIns) -> None:
    import torch._dynamo
    from diffusers import AnimateDiffPipeline, MotionAdapter
    from torch._dynamo.utils import counters

    adapter = MotionAdapter.from_pretrained(standins.motion_adapter())
    pipe = AnimateDiffPipeline.from_pretrained(standins.sd15, motion_adapter=adapter)
    pipe.set_progress_bar_config(disable=True)

    def frames() -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        made = pipe("a fox", num_frames=2, num_inference_steps=1, output_type="latent", generator=generator).frames
        assert isinstance(made, torch.Tensor)
        return made

    before, runtime = frames(), RuntimeSpec(compile=CompileSpec(backend="eager"))
    torch._dynamo.reset()
    counters.clear()
    with computing(runtime):
        make(pipe, runtime)
        assert near(frames(), before)
    assert counters["stats"]["unique_graphs"] > 0
    assert not counters["graph_break"]
