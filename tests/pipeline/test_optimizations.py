"""Each runtime option that a CPU takes has an effect there, and each that it cannot use is refused by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, RunError
from tcdflow.files.artifact import Artifact
from tcdflow.pipeline import optimizations, vaes
from tcdflow.pipeline.loras import LoraStack
from tcdflow.pipeline.optimizations import Optimizations, computing
from tcdflow.spec.model import CompileSpec, RuntimeSpec
from tests.helpers import problems
from tests.pipeline.test_loras import assert_same, entry, latents, load, weights
from tests.standins import StandIns

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shared(standins: StandIns) -> Any:
    return load(standins, "sd15")


@pytest.fixture
def bare(shared: Any) -> Iterator[Any]:
    """A pipeline for tests that leave it bare."""
    before = weights(shared)
    yield shared
    shared.vae.disable_slicing()
    shared.vae.disable_tiling()
    for part in (shared.unet, shared.vae):
        part.to(memory_format=torch.contiguous_format)
    assert_same(before, weights(shared))


def make(pipe: Any, runtime: RuntimeSpec) -> Optimizations:
    made = Optimizations(pipe, pipe.unet, runtime, CPU, torch.float32)
    made.before_loras()
    made.after_loras()
    return made


def image(pipe: Any, size: int = 64, number: int = 1) -> torch.Tensor:
    result = pipe(
        ["a red fox"] * number,
        num_inference_steps=1,
        guidance_scale=0.0,
        height=size,
        width=size,
        output_type="pt",
        generator=torch.Generator().manual_seed(0),
    ).images
    assert isinstance(result, torch.Tensor)
    return result


def near(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((actual - expected).abs().max() < 1e-4)


def test_no_lever_changes_nothing(bare: Any) -> None:
    before, made = weights(bare), image(bare)
    with computing(RuntimeSpec()):
        assert not make(bare, RuntimeSpec()).final
        assert torch.equal(image(bare), made)
    assert_same(before, weights(bare))


def test_vae_slicing_decodes_images_one_by_one(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, two = image(bare), image(bare, number=2)
    sizes: list[int] = []
    bare.vae.decoder.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    make(bare, RuntimeSpec(vae_slicing=True))
    assert torch.equal(image(bare), alone)
    sizes.clear()
    assert near(image(bare, number=2), two)
    assert sizes == [1, 1]


def test_vae_tiling_changes_images_larger_than_a_tile(bare: Any) -> None:
    small, big = image(bare), image(bare, size=128)
    make(bare, RuntimeSpec(vae_tiling=True))
    assert torch.equal(image(bare), small)
    assert not near(image(bare, size=128), big)


def test_channels_last_changes_strides_and_last_bits(bare: Any) -> None:
    before = image(bare)
    make(bare, RuntimeSpec(channels_last=True))
    for convolution in (bare.unet.conv_in, bare.vae.decoder.conv_in):
        assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
        assert not convolution.weight.is_contiguous()
    after = image(bare)
    assert near(after, before)
    assert not torch.equal(after, before)


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "unfused"])
def test_loras_come_off_without_a_trace_from_channels_last(bare: Any, standins: StandIns, fuse: bool) -> None:
    make(bare, RuntimeSpec(channels_last=True))
    before = weights(bare)
    stack = LoraStack(bare)
    stack.attach([entry(standins, "sd15", "tcd")], fuse=fuse)
    stack.detach()
    assert_same(before, weights(bare))


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "unfused"])
@pytest.mark.parametrize("storage", ["float8_e4m3fn", "float8_e5m2"])
def test_layerwise_casting_stores_the_unet_in_a_byte_a_weight(standins: StandIns, storage: Any, fuse: bool) -> None:
    pipe = load(standins, "sd15")
    LoraStack(pipe).attach([entry(standins, "sd15", "tcd")], fuse=fuse)
    before = latents(pipe)
    made = make(pipe, RuntimeSpec(layerwise_casting=storage))
    convolution = pipe.unet.conv_in
    assert convolution.weight.dtype == getattr(torch, storage)
    if fuse:
        stored = sum(parameter.nbytes for parameter in pipe.unet.parameters())
        assert stored < 0.27 * sum(4 * parameter.numel() for parameter in pipe.unet.parameters())
    else:
        query = pipe.unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0")
        assert query.lora_A["tcd_lora"].weight.dtype == torch.float32
        assert query.base_layer.weight.dtype == getattr(torch, storage)
    after = latents(pipe)
    assert not torch.equal(after, before)
    assert (after - before).abs().mean() < 0.2 * before.abs().mean()
    assert torch.equal(latents(pipe), after)
    assert made.final
    with pytest.raises(AssertionError, match="reload the base"):
        made.suspend()


def test_deterministic_is_set_for_a_run_and_put_back(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "0")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = image(bare)
    with computing(RuntimeSpec(deterministic=True)):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
        assert torch.equal(image(bare), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUDA_LAUNCH_BLOCKING"] == "0"
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_an_operation_with_no_deterministic_form_is_named() -> None:
    ones, places = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.int64)
    with (
        pytest.raises(RunError, match=r"runtime\.deterministic: max_unpool"),
        computing(RuntimeSpec(deterministic=True)),
    ):
        torch.nn.functional.max_unpool2d(ones, places, [2, 2])
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("deterministic", [True, False])
def test_tf32_does_not_leak_into_the_next_run(deterministic: bool) -> None:
    def state() -> tuple[Any, ...]:
        return (
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.deterministic,
            torch.get_float32_matmul_precision(),
        )

    before = state()
    with pytest.raises(KeyError), computing(RuntimeSpec(tf32=True, deterministic=deterministic)):
        assert state()[:3] == (True, True, deterministic)
        raise KeyError
    assert state() == before


@pytest.mark.parametrize("offload", ["model", "group"])
@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "unfused"])
def test_stacks_change_under_offloading(standins: StandIns, offload: Any, fuse: bool) -> None:
    """With the CPU in the GPU's place: the hooks come on and off in the right order.

    A LoRA's weights are copied on their way, to places of another alignment, and the last bits of a CPU's products
    depend on that.
    """
    pipe = load(standins, "sd15")
    before, stack = latents(pipe), LoraStack(pipe)
    stack.attach([entry(standins, "sd15", "style_text")], fuse=fuse)
    styled = latents(pipe)
    stack.detach()
    made = make(pipe, RuntimeSpec(offload=offload))
    original = weights(pipe)
    assert torch.equal(latents(pipe), before)
    for _ in range(2):
        made.suspend()
        assert_same(original, weights(pipe))
        assert not any(hasattr(part, "_hf_hook") for part in pipe.components.values())
        stack.attach([entry(standins, "sd15", "style_text")], fuse=fuse)
        made.after_loras()
        assert (latents(pipe) - styled).abs().max() < 1e-5
        made.suspend()
        stack.detach()
        made.after_loras()
        assert torch.equal(latents(pipe), before)


def test_sequential_offloading_is_undone_before_loras_change(
    standins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import cpu_offload

    pipe = load(standins, "sd15")
    original, before = weights(pipe), latents(pipe)

    def enable(self: Any, device: torch.device) -> None:
        for part in self.components.values():
            if isinstance(part, torch.nn.Module):
                cpu_offload(part, device, offload_buffers=len(part._parameters) > 0)

    # diffusers adds a number to the device, which a CPU does not take; all else is as it does it.
    monkeypatch.setattr(type(pipe), "enable_sequential_cpu_offload", enable)
    made = make(pipe, RuntimeSpec(offload="sequential"))
    assert pipe.unet.conv_in.weight.device.type == "meta"
    assert torch.equal(latents(pipe), before)
    made.suspend()
    assert_same(original, weights(pipe))
    stack = LoraStack(pipe)
    stack.attach([entry(standins, "sd15", "tcd")], fuse=True)
    stack.detach()
    assert_same(original, weights(pipe))


def test_a_vae_is_offloaded_by_group_without_a_stream(standins: StandIns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream brings weights in the dtype that they had when it was set up, and SDXL decodes in another one."""
    from diffusers.hooks import group_offloading

    class Backend:
        Stream = staticmethod(lambda: "stream")

    groups = group_offloading.ModuleGroup  # which pin nothing, since there is no card
    monkeypatch.setattr(group_offloading, "ModuleGroup", lambda stream=None, **options: groups(**options))
    monkeypatch.setattr(group_offloading, "TorchDeviceBackend", lambda device: Backend)
    pipe = load(standins, "sdxl")
    monkeypatch.setattr(pipe.vae, "to", lambda device: pipe.vae)  # all of it, onto the card
    made = Optimizations(pipe, pipe.unet, RuntimeSpec(offload="group"), torch.device("cuda"), torch.float16)
    made.after_loras()

    def streamed(model: Any) -> list[bool]:
        registries = [part._diffusers_hook for part in model.modules() if hasattr(part, "_diffusers_hook")]
        hooks = [registry.get_hook("group_offloading") for registry in registries]
        return [hook.config.stream is not None for hook in hooks if hook is not None]

    assert streamed(pipe.vae)
    assert not any(streamed(pipe.vae))
    assert all(streamed(pipe.unet))


def test_a_pipeline_to_be_offloaded_waits_on_the_cpu() -> None:
    cuda = torch.device("cuda")
    assert Optimizations.home(RuntimeSpec(), cuda) == cuda
    assert Optimizations.home(RuntimeSpec(offload="model"), cuda) == CPU


def tiny_vae(folder: Path) -> Artifact:
    files = tuple(path.name for path in folder.iterdir())
    return Artifact("runtime.tiny_vae", str(folder), None, folder, files, single=False)


def test_a_tiny_vae_decodes(standins: StandIns) -> None:
    pipe = load(standins, "sd15")
    before = image(pipe)
    original, pipe.vae = pipe.vae, vaes.load_tiny(tiny_vae(standins.tiny_vae), torch.float32)
    after = image(pipe)
    assert after.shape == before.shape
    assert not near(after, before)
    pipe.vae = original
    assert torch.equal(image(pipe), before)


@pytest.mark.parametrize("part", ["vae", "nothing"])
def test_what_is_no_tiny_vae_is_refused(standins: StandIns, tmp_path: Path, part: str) -> None:
    folder = standins.sd15 / "vae" if part == "vae" else tmp_path
    with pytest.raises(ConfigError) as caught:
        vaes.load_tiny(tiny_vae(folder), torch.float32)
    assert str(caught.value).startswith("runtime.tiny_vae")


CPU_REFUSES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"offload": "model"}, "runtime.offload"),
    ({"offload": "sequential"}, "runtime.offload"),
    ({"offload": "group"}, "runtime.offload"),
    ({"tf32": True}, "runtime.tf32"),
    ({"compile": {"mode": "reduce-overhead"}}, "runtime.compile.mode"),
)


@pytest.mark.parametrize(("settings", "key"), CPU_REFUSES)
def test_a_cpu_refuses_by_name(settings: dict[str, Any], key: str) -> None:
    runtime = RuntimeSpec.model_validate(settings)
    with pytest.raises(ConfigError) as caught:
        optimizations.check(runtime, CPU)
    assert [problem.key for problem in caught.value.problems] == [key]


def test_other_devices_refuse_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no 8-bit floats"):
        optimizations.check(RuntimeSpec(layerwise_casting="float8_e5m2"), torch.device("mps"))
    graphs = CompileSpec(scope="unet", mode="reduce-overhead")
    optimizations.check(RuntimeSpec(offload="model", compile=graphs), torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    for capability, refused in (((7, 5), True), ((8, 0), False)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        if refused:
            with pytest.raises(ConfigError, match=r"runtime\.tf32 = True: needs an Ampere .* Tesla T4"):
                optimizations.check(RuntimeSpec(tf32=True), torch.device("cuda"))
        else:
            optimizations.check(RuntimeSpec(tf32=True), torch.device("cuda"))


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (("runtime.device=cpu", "runtime.offload=model"), "runtime.offload"),
        (("runtime.device=cpu", "runtime.tf32=true"), "runtime.tf32"),
        (("runtime.device=mps", "runtime.layerwise_casting=float8_e5m2"), "runtime.layerwise_casting"),
        (("runtime.device=cpu", "runtime.compile={mode: reduce-overhead}"), "runtime.compile.mode"),
        (("runtime.compile={mode: max-autotune, backend: eager}",), "runtime.compile.mode"),
        (("runtime.device=cuda", "runtime.compile={mode: reduce-overhead}"), "runtime.compile.mode"),
        (("runtime.device=cuda:1", "runtime.compile={mode: max-autotune, scope: blocks}"), "runtime.compile.mode"),
        (("runtime.compile={}", "runtime.offload=sequential"), "runtime.offload"),
        (("lora_stack.merge={method: ties}",), "lora_stack.merge.density"),
        (("lora_stack.merge={method: cat, density: 0.5}",), "lora_stack.merge.density"),
        (("lora_stack.merge={method: dare_ties, density: 0.5}",), "lora_stack.merge.method"),
        (("lora_stack.merge={method: cat}", "loras.tcd.weight={unet: {mid: 1}}"), "loras.tcd.weight"),
    ],
)
def test_what_the_spec_alone_shows_is_refused(composer: Composer, overrides: tuple[str, ...], key: str) -> None:
    assert key in [problem.key for problem in problems(composer, *overrides)]


@pytest.mark.parametrize("preset", ["auto", "compiled", "cpu", "cuda_fp16", "exact", "low_memory"])
def test_presets_are_in_order(composer: Composer, preset: str) -> None:
    runtime = composer.compose([f"runtime={preset}"]).spec.runtime
    assert runtime.description
    kind = "cuda" if runtime.device == "auto" else runtime.device
    optimizations.check(runtime, torch.device(kind))
