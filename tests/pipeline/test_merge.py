"""Several LoRAs merged into one: against peft by hand, against the unmerged stack, and against its own seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from tcdflow.errors import ConfigError
from tcdflow.pipeline.loras import LoraStack, StackEntry
from tcdflow.pipeline.merge import merge
from tcdflow.spec.model import MergeSpec
from tests.pipeline.test_loras import assert_same, entry, latents, load, weights, whole
from tests.standins import Family, StandIns

METHODS = (
    MergeSpec(method="linear"),
    MergeSpec(method="cat"),
    MergeSpec(method="svd"),
    MergeSpec(method="ties", density=0.5),
    MergeSpec(method="dare_linear", density=0.5, seed=7),
    MergeSpec(method="dare_ties", density=0.5, seed=7),
)
Tensors = dict[str, torch.Tensor]


def ids(spec: MergeSpec) -> str:
    return spec.method


@pytest.fixture(scope="module")
def pipes(standins: StandIns) -> Iterator[Callable[[Family], Any]]:
    """Bare pipelines, which each test leaves bare."""
    loaded: dict[Family, tuple[Any, Tensors]] = {}

    def get(family: Family) -> Any:
        if family not in loaded:
            pipe = load(standins, family)
            loaded[family] = pipe, weights(pipe)
        return loaded[family][0]

    yield get
    for pipe, before in loaded.values():
        assert_same(before, weights(pipe))


@pytest.fixture(scope="module")
def stacked(standins: StandIns) -> Any:
    """A pipeline with two LoRAs on it, one of them in the text encoder too."""
    pipe = load(standins, "sd15")
    LoraStack(pipe).attach([entry(standins, "sd15", "tcd"), entry(standins, "sd15", "style_text")], fuse=False)
    return pipe


@pytest.fixture(scope="module")
def peft_model(stacked: Any, standins: StandIns) -> Any:
    """The same LoRAs on a PeftModel around the real UNet, as the libraries' own guide has it."""
    configs, unet = stacked.unet.peft_config, load(standins, "sd15").unet
    first, second = configs
    model = get_peft_model(unet, configs[first], first)
    model.add_adapter(second, configs[second])
    tensors = {
        f"base_model.model.{path}.lora_{side}.{name}.weight": getattr(layer, f"lora_{side}")[name].weight.clone()
        for path, layer in stacked.unet.named_modules()
        if isinstance(layer, LoraLayer)
        for side in "AB"
        for name in layer.lora_A
    }
    assert model.load_state_dict(tensors, strict=False).unexpected_keys == []
    return model


def by_hand(model: Any, spec: MergeSpec, stack: dict[str, float]) -> Tensors:
    torch.manual_seed(spec.seed)
    model.add_weighted_adapter(
        list(stack), list(stack.values()), spec.method, combination_type=spec.method, density=spec.density
    )
    return {
        f"{path.removeprefix('base_model.model.')}.lora_{side}.weight": getattr(layer, f"lora_{side}")[
            spec.method
        ].weight
        for path, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
        for side in "AB"
    }


@pytest.mark.parametrize("spec", METHODS, ids=ids)
def test_it_is_what_peft_makes_of_the_real_unet(stacked: Any, peft_model: Any, spec: MergeSpec) -> None:
    stack = {"tcd_lora": 1.0, "style_text_lora": -0.7}
    ours = merge(stacked.unet, stack, spec)
    theirs = by_hand(peft_model, spec, stack)
    assert set(ours) == set(theirs)
    if spec.method != "svd":
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
        return
    # The whole of a singular value decomposition, as peft makes it, differs from the part that is used in its last
    # bits, and a singular vector may have the other sign: what counts is the product.
    for key in (key for key in ours if key.endswith("lora_A.weight")):
        up = key.replace("lora_A", "lora_B")
        torch.testing.assert_close(
            ours[up].flatten(1) @ ours[key].flatten(1), theirs[up].flatten(1) @ theirs[key].flatten(1)
        )


def test_concatenated_loras_do_what_the_stack_does(pipes: Callable[[Family], Any], standins: StandIns) -> None:
    pipe = pipes("sdxl")
    entries = [whole(standins, "sdxl", "tcd", 0.9), whole(standins, "sdxl", "style_text", 0.6)]
    made = {}
    for merged in (None, MergeSpec(method="cat")):
        stack = LoraStack(pipe)
        attached = stack.attach(entries, fuse=False, merge=merged)
        assert [found.name for found in attached] == ["tcd", "style_text"]
        assert sum(attached[1].modules.values()) == 192 + 18 + 18
        made[merged is None] = latents(pipe)
        stack.detach()
    assert not torch.equal(made[True], made[False])
    torch.testing.assert_close(made[False], made[True], atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("method", ["linear", "svd"])
def test_a_lora_merged_alone_is_that_lora(pipes: Callable[[Family], Any], standins: StandIns, method: Any) -> None:
    pipe = pipes("sd15")
    made = []
    for merged in (None, MergeSpec(method=method)):
        stack = LoraStack(pipe)
        stack.attach([entry(standins, "sd15", "style_text", 0.6)], fuse=False, merge=merged)
        made.append(latents(pipe))
        stack.detach()
    torch.testing.assert_close(made[1], made[0], atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize(("spec", "fuse"), [(METHODS[2], True), (METHODS[5], False)])
def test_a_merged_stack_comes_off_without_a_trace(
    pipes: Callable[[Family], Any], standins: StandIns, spec: MergeSpec, fuse: bool
) -> None:
    pipe = pipes("sd15")
    before, bare = weights(pipe), latents(pipe)
    stack = LoraStack(pipe)
    entries = [entry(standins, "sd15", "tcd"), entry(standins, "sd15", "style_text", 0.5)]
    stack.attach(entries, fuse=fuse, merge=spec)
    first = latents(pipe)
    with pytest.raises(AssertionError, match="fused or merged"):
        stack.reweight([1.0, 1.0])
    stack.detach()
    assert_same(before, weights(pipe))
    assert torch.equal(latents(pipe), bare)
    stack.attach(entries, fuse=fuse, merge=spec)
    assert torch.equal(latents(pipe), first)
    stack.detach()


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_what_is_dropped_depends_on_the_seed_alone(stacked: Any, method: Any) -> None:
    def made(seed: int) -> Tensors:
        return merge(
            stacked.unet, {"tcd_lora": 1.0, "style_text_lora": 1.0}, MergeSpec(method=method, density=0.5, seed=seed)
        )

    torch.manual_seed(1)
    state, first = torch.get_rng_state(), made(0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = made(0), made(1)
    assert [key for key in first if not torch.equal(first[key], again[key])] == []
    assert [key for key in first if not torch.equal(first[key], other[key])] != []


def test_the_component_is_not_touched(stacked: Any) -> None:
    before, layers = weights(stacked), dict(stacked.unet.named_modules())
    merge(stacked.unet, {"tcd_lora": 1.0, "style_text_lora": 1.0}, MergeSpec(method="svd"))
    assert_same(before, weights(stacked))
    after = dict(stacked.unet.named_modules())
    assert list(after) == list(layers)
    assert all(after[path] is layer for path, layer in layers.items())
    assert list(stacked.unet.peft_config) == ["tcd_lora", "style_text_lora"]


def test_a_component_that_no_lora_is_for_stays_out(stacked: Any) -> None:
    spec = MergeSpec(method="ties", density=0.5)
    assert merge(stacked.text_encoder, {"tcd_lora": 1.0}, spec) == {}
    alone = merge(stacked.text_encoder, {"tcd_lora": 1.0, "style_text_lora": 0.5}, spec)
    assert alone and all(tensor.isfinite().all() for tensor in alone.values())


def of_rank(standins: StandIns, rank: int, file: Path, *, only: str = "") -> Path:
    """Cut the distilled LoRA down to a lower rank, wholly or where a module's name holds ``only``."""
    tensors = load_file(standins.thin_lora_file("sd15", "tcd"))
    for key, value in tensors.items():
        if only in key:
            tensors[key] = (value[:rank] if "lora_A" in key else value[:, :rank]).clone()
    save_file(tensors, file)
    return file


@pytest.mark.parametrize("spec", METHODS, ids=ids)
def test_only_some_methods_take_unequal_ranks(
    pipes: Callable[[Family], Any], standins: StandIns, tmp_path: Path, spec: MergeSpec
) -> None:
    pipe = pipes("sd15")
    before = weights(pipe)
    low = StackEntry("low", of_rank(standins, 2, tmp_path / "low.safetensors"), 0.5)
    stack = LoraStack(pipe)
    if spec.method in ("cat", "svd"):
        stack.attach([entry(standins, "sd15", "tcd"), low], fuse=False, merge=spec)
        latents(pipe)
        stack.detach()
    else:
        with pytest.raises(ConfigError) as caught:
            stack.attach([entry(standins, "sd15", "tcd"), low], fuse=False, merge=spec)
        assert "tcd has 4, low has 2" in str(caught.value)
        assert caught.value.problems[0].key == "lora_stack.merge.method"
    assert_same(before, weights(pipe))


def test_one_module_of_another_rank_is_enough(
    pipes: Callable[[Family], Any], standins: StandIns, tmp_path: Path
) -> None:
    mixed = StackEntry("mixed", of_rank(standins, 2, tmp_path / "m.safetensors", only="mid_block"), 0.5)
    stack = LoraStack(pipe := pipes("sd15"))
    with pytest.raises(ConfigError, match=r"tcd has 4, mixed has 2 at mid_block\."):
        stack.attach([entry(standins, "sd15", "tcd"), mixed], fuse=True, merge=METHODS[0])
    stack.attach([entry(standins, "sd15", "tcd"), mixed], fuse=False, merge=METHODS[2])
    latents(pipe)
    stack.detach()


def test_block_weights_and_merging_do_not_go_together(pipes: Callable[[Family], Any], standins: StandIns) -> None:
    blocks = entry(standins, "sd15", "style", {"unet": {"down": 0.5}})
    with pytest.raises(ConfigError, match=r"loras\.style\.weight = .*must be one number"):
        LoraStack(pipes("sd15")).attach([entry(standins, "sd15", "tcd"), blocks], fuse=True, merge=METHODS[1])


def test_a_dora_is_refused(pipes: Callable[[Family], Any], standins: StandIns, tmp_path: Path) -> None:
    tensors = load_file(standins.thin_lora_file("sd15", "tcd"))
    for key in [key for key in tensors if key.endswith("lora_B.weight")]:
        size = tensors[key].shape[0]
        conv = tensors[key].dim() == 4
        tensors[key.replace("lora_B.weight", "lora_magnitude_vector")] = (
            torch.ones(1, size, 1, 1) if conv else torch.ones(size)
        )
    file = tmp_path / "dora.safetensors"
    save_file(tensors, file)
    pipe = pipes("sd15")
    before = weights(pipe)
    stack = LoraStack(pipe)
    with pytest.raises(ConfigError, match="'dora' is a DoRA"):
        stack.attach([entry(standins, "sd15", "tcd"), StackEntry("dora", file, 1.0)], fuse=True, merge=METHODS[1])
    assert_same(before, weights(pipe))
    stack.attach([StackEntry("dora", file, 1.0)], fuse=True)
    stack.detach()
    assert_same(before, weights(pipe))


def test_half_precision_is_merged_in_float32(standins: StandIns) -> None:
    spec = METHODS[2]  # which half precision has not at all on a CPU
    stack = LoraStack(pipe := load(standins, "sd15", torch.bfloat16))
    entries = [entry(standins, "sd15", "tcd"), entry(standins, "sd15", "style_text", 0.5)]
    stack.attach(entries, fuse=False)
    merged = merge(pipe.unet, {"tcd_lora": 1.0, "style_text_lora": 0.5}, spec)
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    stack.detach()
    stack.attach(entries, fuse=False, merge=spec)
    latents(pipe)
    stack.detach()
