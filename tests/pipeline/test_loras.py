"""The LoRA stack on tiny stand-ins: what is put on comes off without a trace, and mistakes are named."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tcdflow.errors import ConfigError
from tcdflow.pipeline import fusing, loras
from tcdflow.pipeline.loras import LoraStack, StackEntry
from tests.standins import Family, LoraKind, StandIns

Weights = dict[str, torch.Tensor]


def load(standins: StandIns, family: Family, dtype: torch.dtype = torch.float32) -> Any:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    cls = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
    pipe = cls.from_pretrained(standins.base(family), dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def pipes(standins: StandIns) -> Iterator[Callable[..., Any]]:
    """Pipelines, each loaded once: a test that leaves a trace in one is found out by the next."""
    loaded: dict[Any, tuple[Any, Weights]] = {}

    def get(family: Family = "sd15", dtype: torch.dtype = torch.float32) -> Any:
        if (family, dtype) not in loaded:
            pipe = load(standins, family, dtype)
            loaded[family, dtype] = pipe, weights(pipe)
        return loaded[family, dtype][0]

    yield get
    for pipe, before in loaded.values():
        assert_same(before, weights(pipe))


def weights(pipe: Any) -> Weights:
    return {
        f"{name}.{key}": value.clone()
        for name, part in pipe.components.items()
        if isinstance(part, torch.nn.Module)
        for key, value in part.state_dict().items()
    }


def assert_same(before: Weights, after: Weights) -> None:
    assert list(before) == list(after)
    assert [key for key in before if before[key].dtype != after[key].dtype] == []
    assert [key for key in before if before[key].stride() != after[key].stride()] == []
    assert [key for key in before if not torch.equal(before[key], after[key])] == []


def entry(standins: StandIns, family: Family, kind: LoraKind, weight: Any = 1.0) -> StackEntry:
    """A LoRA with few layers."""
    return StackEntry(kind, standins.thin_lora_file(family, kind), weight)


def whole(standins: StandIns, family: Family, kind: LoraKind, weight: Any = 1.0) -> StackEntry:
    return StackEntry(kind, standins.lora_file(family, kind), weight)


def latents(pipe: Any, seed: int = 0) -> torch.Tensor:
    result = pipe(
        "a red fox",
        num_inference_steps=2,
        guidance_scale=0.0,
        output_type="latent",
        generator=torch.Generator().manual_seed(seed),
    ).images
    assert isinstance(result, torch.Tensor)
    assert result.isfinite().all()
    return result


@pytest.mark.parametrize(
    ("family", "fuse", "dtype"),
    [
        ("sd15", True, torch.bfloat16),
        ("sd15", False, torch.bfloat16),
        ("sd21", True, torch.float32),
        ("sdxl", True, torch.float32),
        ("sdxl", False, torch.float32),
    ],
)
def test_a_stack_comes_off_without_a_trace(
    pipes: Callable[..., Any], standins: StandIns, family: Family, fuse: bool, dtype: torch.dtype
) -> None:
    pipe = pipes(family, dtype)
    before, bare = weights(pipe), latents(pipe)
    stack = LoraStack(pipe)
    block_weights = {"unet": {"down": 0.5, "up": {"block_1": [0.1, 0.2, 0.3]}}, "text_encoder": 0.4}
    for weight in (0.7, block_weights):
        stack.attach([entry(standins, family, "tcd"), entry(standins, family, "style_text", weight)], fuse=fuse)
        assert not torch.equal(latents(pipe), bare)
        stack.detach()
        assert_same(before, weights(pipe))
        assert torch.equal(latents(pipe), bare)


@pytest.mark.parametrize(("family", "texts"), [("sd15", 1), ("sdxl", 2)])
def test_counts_say_what_each_lora_was_attached_to(
    pipes: Callable[..., Any], standins: StandIns, family: Family, texts: int
) -> None:
    stack = LoraStack(pipes(family))
    tcd, style = stack.attach([whole(standins, family, "tcd"), whole(standins, family, "style_text")], fuse=True)
    stack.detach()
    assert (tcd.name, style.name) == ("tcd", "style_text")
    files = {kind: load_file(standins.lora_file(family, kind)) for kind in ("tcd", "style_text")}
    assert sum(tcd.modules.values()) == tcd.of == sum(key.endswith("lora_A.weight") for key in files["tcd"])
    assert (
        sum(style.modules.values()) == style.of == sum(key.endswith("lora_down.weight") for key in files["style_text"])
    )
    assert list(tcd.modules) == ["unet"]
    assert list(style.modules) == ["unet", "text_encoder", "text_encoder_2"][: 1 + texts]


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "unfused"])
def test_it_does_what_diffusers_does(pipes: Callable[..., Any], standins: StandIns, fuse: bool) -> None:
    stack = LoraStack(pipe := pipes("sd15"))
    stack.attach([whole(standins, "sd15", "tcd"), whole(standins, "sd15", "style_text", 0.6)], fuse=fuse)
    ours = latents(pipe)
    stack.detach()

    plain = load(standins, "sd15")
    for kind in ("tcd", "style_text"):
        file = standins.lora_file("sd15", kind)
        plain.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=kind)
    plain.set_adapters(["tcd", "style_text"], [1.0, 0.6])
    if fuse:
        plain.fuse_lora(components=["unet", "text_encoder"])
    assert torch.equal(latents(plain), ours)


def test_a_weight_of_one_is_the_same_as_no_set_adapters(pipes: Callable[..., Any], standins: StandIns) -> None:
    stack = LoraStack(pipe := pipes("sdxl"))
    stack.attach([whole(standins, "sdxl", "tcd")], fuse=True)
    ours = latents(pipe)
    stack.detach()

    plain = load(standins, "sdxl")
    file = standins.lora_file("sdxl", "tcd")
    plain.load_lora_weights(str(file.parent), weight_name=file.name)
    plain.fuse_lora(components=["unet"])
    assert torch.equal(latents(plain), ours)
    plain.unload_lora_weights()
    assert torch.equal(latents(plain), ours)


def test_the_order_of_the_stack_is_kept(pipes: Callable[..., Any], standins: StandIns) -> None:
    pipe = pipes("sd15")
    made = {}
    entries = [entry(standins, "sd15", "style"), entry(standins, "sd15", "tcd")]
    for order in (entries, entries[::-1]):
        stack = LoraStack(pipe)
        stack.attach(order, fuse=False)
        assert pipe.get_active_adapters() == [e.adapter for e in order]
        made[order[0].name] = latents(pipe)
        stack.detach()
    torch.testing.assert_close(made["style"], made["tcd"], atol=1e-4, rtol=1e-4)


def test_each_lora_has_its_own_block_weights(pipes: Callable[..., Any], standins: StandIns) -> None:
    stack = LoraStack(pipe := pipes("sd15"))
    stack.attach(
        [
            entry(standins, "sd15", "tcd", {"unet": {"down": 0.25}}),
            entry(standins, "sd15", "style_text", {"unet": {"down": 0.5, "mid": 0.125}}),
        ],
        fuse=False,
    )
    down = pipe.unet.get_submodule("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0")
    mid = pipe.unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0")
    text = next(part for part in pipe.text_encoder.modules() if "style_text_lora" in getattr(part, "scaling", ()))
    # The style's own scale is alpha / rank = 1/2.
    assert (down.scaling["tcd_lora"], down.scaling["style_text_lora"]) == (0.25, 0.25)
    assert (mid.scaling["tcd_lora"], mid.scaling["style_text_lora"]) == (1.0, 0.0625)
    assert text.scaling["style_text_lora"] == 0.5
    stack.detach()


def test_reweighting_is_the_same_as_attaching_again(pipes: Callable[..., Any], standins: StandIns) -> None:
    stack = LoraStack(pipe := pipes("sd15"))
    style = entry(standins, "sd15", "style_text", {"unet": {"down": 0.3}, "text_encoder": 0.2})
    stack.attach([style], fuse=False)
    stack.reweight([0.9])
    reweighted = latents(pipe)
    with pytest.raises(ConfigError, match=r"loras\.style_text\.weight\.unet\.dwn"):
        stack.reweight([{"unet": {"dwn": 1.0}}])
    assert torch.equal(latents(pipe), reweighted)
    stack.detach()
    stack.attach([entry(standins, "sd15", "style_text", 0.9)], fuse=False)
    assert torch.equal(latents(pipe), reweighted)
    stack.detach()


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ({"unett": 1.0}, "style.weight.unett: this LoRA has weights for unet only; did you mean 'unet'?"),
        ({"text_encoder": 1.0}, "style.weight.text_encoder: this LoRA has weights for unet only"),
        ({"unet": [1.0, 2.0]}, "style.weight.unet = [1.0, 2.0]: must be a number or a mapping"),
        ({"unet": {"dwon": 1.0}}, "style.weight.unet.dwon: is not a part of the unet: down, mid, up"),
        ({"unet": {"mid": [1.0, 2.0]}}, "style.weight.unet.mid = [1.0, 2.0]: must be one number"),
        ({"unet": {"mid": {"block_0": 1.0}}}, "style.weight.unet.mid = {'block_0': 1.0}: must be a number or a list"),
        ({"unet": {"up": {"block_9": 1.0}}}, "style.weight.unet.up.block_9: the blocks with attention there are"),
        ({"unet": {"up": {"block_1": [1.0, 2.0]}}}, "must be one number or a list of 3"),
        ({"unet": {"down": [1.0, 2.0, 3.0]}}, "style.weight.unet.down = [1.0, 2.0, 3.0]: must be one number or a list"),
        ({"unet": {"down": {"block_1": [[1.0], 2.0]}}}, "must hold numbers only"),
    ],
)
def test_a_weight_that_names_what_is_not_there_is_refused(
    pipes: Callable[..., Any], standins: StandIns, weight: Any, said: str
) -> None:
    pipe = pipes("sd15")
    before = weights(pipe)
    with pytest.raises(ConfigError) as caught:
        LoraStack(pipe).attach([entry(standins, "sd15", "style", weight)], fuse=True)
    assert said in str(caught.value)
    assert_same(before, weights(pipe))


def test_a_text_encoder_has_no_blocks(pipes: Callable[..., Any], standins: StandIns) -> None:
    weight = {"text_encoder": {"down": 1.0}}
    with pytest.raises(ConfigError, match="only the unet has blocks"):
        LoraStack(pipes("sd15")).attach([entry(standins, "sd15", "style_text", weight)], fuse=True)


def test_block_weights_need_modules_in_blocks(pipes: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "outside.safetensors"
    pipe = pipes("sd15")
    shape = pipe.unet.conv_in.weight.shape
    save_file(
        {
            "unet.conv_in.lora_A.weight": torch.zeros(4, *shape[1:]),
            "unet.conv_in.lora_B.weight": torch.zeros(shape[0], 4, 1, 1),
        },
        file,
    )
    stack = LoraStack(pipe)
    with pytest.raises(ConfigError, match=r"outside of all blocks, e\.g\. conv_in"):
        stack.attach([StackEntry("outside", file, {"unet": {"down": 0.5}})], fuse=True)
    assert stack.attach([StackEntry("outside", file, 0.5)], fuse=True)[0].modules == {"unet": 1}
    stack.detach()


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "unfused"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [("none_match", "is a LoRA for FLUX or a relative of it"), ("partial", r"matches \d+ of its \d+ .*attentions\.7")],
)
def test_a_lora_of_another_base_is_refused_with_counts(
    pipes: Callable[..., Any], standins: StandIns, kind: LoraKind, said: str, fuse: bool
) -> None:
    pipe = pipes("sdxl")
    before = weights(pipe)
    with pytest.raises(ConfigError, match=said) as caught:
        LoraStack(pipe).attach([whole(standins, "sdxl", "tcd"), whole(standins, "sdxl", kind)], fuse=fuse)
    assert caught.value.problems[0].key == f"loras.{kind}.source"
    assert_same(before, weights(pipe))


def damaged(standins: StandIns, how: str, folder: Path) -> Path:
    file = folder / f"{how}.safetensors"
    good = standins.lora_file("sd15", "style_text")
    if how == "cut":
        file.write_bytes(good.read_bytes()[:-1000])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "no_lora":
        save_file({"unet.conv_in.weight": torch.zeros(2)}, file)
    elif how == "wrong_shapes":
        tensors = load_file(good)
        last = [key for key in tensors if "lora_te" in key and key.endswith("lora_up.weight")][-1]
        save_file(tensors | {last: tensors[last][1:].clone()}, file)
    elif how == "other_base":
        return standins.lora_file("sdxl", "style_text")
    return file


@pytest.mark.parametrize("how", ["cut", "empty", "no_lora", "wrong_shapes", "other_base", "missing"])
def test_after_a_damaged_file_the_pipeline_is_as_it_was(
    pipes: Callable[..., Any], standins: StandIns, tmp_path: Path, how: str
) -> None:
    pipe = pipes("sd15")
    before, bare = weights(pipe), latents(pipe)
    stack = LoraStack(pipe)
    with pytest.raises(ConfigError) as caught:
        stack.attach(
            [entry(standins, "sd15", "tcd"), StackEntry("bad", damaged(standins, how, tmp_path), 1.0)], fuse=True
        )
    assert [problem.key for problem in caught.value.problems] == ["loras.bad.source"]
    assert "\n" not in str(caught.value)
    assert_same(before, weights(pipe))
    assert torch.equal(latents(pipe), bare)
    stack.attach([entry(standins, "sd15", "tcd")], fuse=True)
    stack.detach()
    assert_same(before, weights(pipe))


def test_a_failure_while_fusing_leaves_no_trace(
    pipes: Callable[..., Any], standins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft.tuners.lora.layer import Conv2d

    def fail_at_last(layer: Any) -> None:
        fusing.fuse(layer)
        if isinstance(layer, Conv2d):
            raise torch.OutOfMemoryError("none left")

    pipe = pipes("sd15")
    before = weights(pipe)
    monkeypatch.setattr(loras, "fuse", fail_at_last)
    with pytest.raises(torch.OutOfMemoryError):
        LoraStack(pipe).attach([entry(standins, "sd15", "style"), entry(standins, "sd15", "tcd")], fuse=True)
    assert_same(before, weights(pipe))


def test_dropout_named_in_a_file_does_not_make_images_random(
    pipes: Callable[..., Any], standins: StandIns, tmp_path: Path
) -> None:
    import json

    tensors = load_file(standins.thin_lora_file("sd15", "tcd"))
    modules = sorted({key.removeprefix("unet.").split(".lora_")[0] for key in tensors})
    config = {"unet.r": 4, "unet.lora_alpha": 4, "unet.lora_dropout": 0.5, "unet.target_modules": modules}
    file = tmp_path / "dropout.safetensors"
    save_file(tensors, file, metadata={"format": "pt", "lora_adapter_metadata": json.dumps(config)})
    stack = LoraStack(pipe := pipes("sd15"))
    stack.attach([StackEntry("dropout", file, 1.0)], fuse=False)
    assert any(isinstance(module, torch.nn.Dropout) and module.p == 0.5 for module in pipe.unet.modules())
    first = latents(pipe)
    assert torch.equal(latents(pipe), first)
    stack.detach()
    stack.attach([entry(standins, "sd15", "tcd")], fuse=False)
    assert torch.equal(latents(pipe), first)
    stack.detach()


def test_a_device_of_another_spelling_is_the_same_place(pipes: Callable[..., Any], standins: StandIns) -> None:
    stack = LoraStack(pipe := pipes("sd15"), device=torch.device("cpu", 0))
    before = weights(pipe)
    stack.attach([entry(standins, "sd15", "style")], fuse=True)
    stack.detach()
    assert_same(before, weights(pipe))


def test_a_stack_that_cannot_be_restored_stays(standins: StandIns) -> None:
    stack = LoraStack(load(standins, "sd15"), restorable=False)
    stack.detach()
    stack.attach([entry(standins, "sd15", "tcd")], fuse=False)
    stack.detach()
    stack.attach([entry(standins, "sd15", "tcd")], fuse=True)
    with pytest.raises(AssertionError, match="fused for good"):
        stack.detach()


def test_six_stacks_leave_nothing_behind(pipes: Callable[..., Any], standins: StandIns, tmp_path: Path) -> None:
    tensors = load_file(standins.lora_file("sd15", "style_text"))
    file = tmp_path / "small.safetensors"
    save_file({key: value for key, value in tensors.items() if "_to_q" in key or "layers_0" in key}, file)
    stack = LoraStack(pipes("sd15"))

    def cycle(number: int) -> None:
        stack.attach([StackEntry("small", file, 0.5)], fuse=number % 2 == 0)
        stack.detach()

    def alive() -> tuple[int, int]:
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # isinstance wakes torch's deprecated attributes
            found = [item for item in gc.get_objects() if isinstance(item, torch.Tensor)]
        return len(found), sum(tensor.nbytes for tensor in found)

    for number in range(6):
        cycle(number)
        if number == 3:
            early = alive()
    assert alive() == early
