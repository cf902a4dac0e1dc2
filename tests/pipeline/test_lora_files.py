"""LoRA files of every trainer on tiny stand-ins: the weights that they make are those that their tensors mean.

The truth is worked out by hand (``tests.standins.lora_files``), not by diffusers, which misreads some of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tcdflow.errors import ConfigError
from tcdflow.files.lora_plain import not_plain
from tcdflow.pipeline.loras import Attached, LoraStack, StackEntry
from tcdflow.spec.model import MergeSpec
from tests.pipeline.test_loras import assert_same, latents, pipes, weights
from tests.standins import Family
from tests.standins.lora_files import KINDS, LoraFile, chosen, lora, norms_and_biases, other, spelt

__all__ = ["pipes"]

Pipes = Callable[..., Any]


def saved(file: LoraFile | Mapping[str, torch.Tensor], folder: Path, name: str = "x", **metadata: str) -> Path:
    tensors = file.tensors if isinstance(file, LoraFile) else file
    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, metadata=metadata or None)
    return path


def attached(stack: LoraStack, path: Path, weight: Any = 1.0, **more: Any) -> Attached:
    (found,) = stack.attach([StackEntry("x", path, weight)], fuse=True, **more)
    return found


def assert_close(expected: Mapping[str, torch.Tensor], actual: Mapping[str, torch.Tensor]) -> None:
    assert expected.keys() == actual.keys()
    for key, value in expected.items():
        assert torch.allclose(actual[key], value, atol=2e-6, rtol=1e-5), key


def assert_means(pipe: Any, file: LoraFile, path: Path, weight: float = 0.7) -> Attached:
    before, stack = weights(pipe), LoraStack(pipe)
    expected = file.expected(before, weight)
    found = attached(stack, path, weight)
    assert_close(expected, weights(pipe))
    assert sum(found.modules.values()) == found.of == len({place[:2] for place in file.means})
    assert found.weights == (weight,)
    stack.detach()
    assert_same(before, weights(pipe))
    return found


@pytest.mark.parametrize(
    ("family", "naming", "ranks", "alphas"),
    [
        pytest.param("sd15", "kohya", (4,), (2.0,), id="sd-scripts"),
        pytest.param("sd21", "kohya", (4,), (4.0, 1.0, 8.0), id="alphas of blocks"),
        pytest.param("sdxl", "original", (1, 4, 2), (1.0, 4.0, 2.0, 8.0), id="dynamic ranks of resize_lora"),
        pytest.param("sdxl", "original", (4, 1), (1.0,), id="ranks of blocks"),
        pytest.param("sd15", "kohya", (1, 2), (None,), id="no alpha"),
        pytest.param("sd15", "kohya", (4,), (2.0, None), id="some alphas"),
        pytest.param("sdxl", "kohya", (2, 4), (2.0, 1.0), id="OneTrainer"),
        pytest.param("sd15", "lycoris", (2,), (1.0,), id="LyCORIS for diffusers"),
        pytest.param("sdxl", "peft", (4, 2), (None,), id="peft"),
        pytest.param("sd15", "peft", (2,), (6.0, 1.0), id="peft with alphas"),
        pytest.param("sd21", "diffusers", (4,), (None,), id="diffusers"),
    ],
)
def test_a_lora_means_its_alpha_over_its_rank_for_each_module(
    pipes: Pipes, tmp_path: Path, family: Family, naming: Any, ranks: tuple[int, ...], alphas: tuple[float | None, ...]
) -> None:
    file = lora(pipe := pipes(family), naming, ranks=ranks, alphas=alphas)
    assert_means(pipe, file, saved(file, tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_are_added_to_the_weights(pipes: Pipes, tmp_path: Path, kind: str) -> None:
    file = other(pipe := pipes("sd15"), kind)
    assert assert_means(pipe, file, saved(file, tmp_path)).fused


@pytest.mark.parametrize("kind", ["loha", "lokr", "dora by columns"])
def test_other_kinds_in_the_names_of_the_original_code(pipes: Pipes, tmp_path: Path, kind: str) -> None:
    file = other(pipe := pipes("sdxl"), kind, "original")
    assert_means(pipe, file, saved(file, tmp_path))


def test_differences_of_norms_and_biases(pipes: Pipes, tmp_path: Path) -> None:
    file = norms_and_biases(pipe := pipes("sd15"))
    assert_means(pipe, file, saved(file, tmp_path))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn], ids=str)
def test_narrow_tensors_are_what_they_say(pipes: Pipes, tmp_path: Path, dtype: torch.dtype) -> None:
    pipe = pipes("sd15")
    made = lora(pipe, alphas=(4.0,))
    narrow = {key: value.to(dtype) if value.dim() else value for key, value in made.tensors.items()}
    wide = {key: value.float() for key, value in narrow.items()}
    stack, found = LoraStack(pipe), []
    for number, tensors in enumerate((narrow, wide)):
        attached(stack, saved(tensors, tmp_path, str(number)))
        found.append(weights(pipe))
        stack.detach()
    assert_same(*found)


def test_matrices_may_have_the_shape_of_a_convolution_or_not(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sd15")
    modules = chosen(pipe, ("attn1.to_q", "attentions.0.proj_in"))
    file = lora(pipe, modules=modules)
    turned = {
        key: value.flatten(1) if value.dim() == 4 else value[..., None, None] if value.dim() == 2 else value
        for key, value in file.tensors.items()
    }
    assert_means(pipe, file, saved(turned, tmp_path))


@pytest.mark.parametrize("naming", ["attn_procs", "diffusers"])
def test_the_oldest_names_of_diffusers(pipes: Pipes, tmp_path: Path, naming: Any) -> None:
    """``unet.save_attn_procs`` named no component, and the attention's processor."""
    pipe = pipes("sd15")
    modules = {place: weight for place, weight in chosen(pipe).items() if "attn2" in place[1]}
    file = lora(pipe, naming, modules=modules, alphas=(None,))
    old = {".lora_down.": "_lora.down.", ".lora_up.": "_lora.up.", ".lora.": "_lora.", ".0_lora.": "_lora."}
    tensors = {}
    for key, value in file.tensors.items():
        for ours, theirs in old.items():
            key = key.replace(ours, theirs)
        tensors[key.replace("attn2.", "attn2.processor.")] = value
    assert any("attn2.processor.to_out_lora.up.weight" in key for key in tensors)
    assert_means(pipe, file, saved(tensors, tmp_path))


def test_weights_by_block_are_the_same_for_lora_layers_and_for_differences(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sd15")
    file, twin = lora(pipe, alphas=(1.0, 4.0, 16.0)), LoraFile()
    for (component, path, parameter), means in file.means.items():
        weight = getattr(pipe, component).get_submodule(path).get_parameter(parameter)
        twin.tensors[f"{spelt(pipe, (component, path), 'kohya')}.diff"] = means(weight.detach().double()).float()
    by_block = {"unet": {"down": {"block_0": [0.25, 0.75]}, "mid": 0.5, "up": 0.1}, "text_encoder": 0.3}
    stack, found, told = LoraStack(pipe), [], []
    for name, tensors in {"x": file, "y": twin}.items():
        told.append(attached(stack, saved(tensors, tmp_path, name), by_block).weights)
        found.append(weights(pipe))
        stack.detach()
    assert_close(*found)
    assert told[0] == told[1]
    assert {0.1, 0.25, 0.3, 0.5} <= set(told[0])


def test_a_stack_of_kinds_is_the_sum_of_its_parts(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sd15")
    before, bare = weights(pipe), latents(pipe)
    files = {"a": lora(pipe, alphas=(1.0, 3.0)), "b": other(pipe, "loha"), "c": other(pipe, "dora by columns")}
    entries = [StackEntry(name, saved(file, tmp_path, name), 0.5) for name, file in files.items()]
    expected = dict(before)
    for file in files.values():
        after = file.expected(before, 0.5)
        expected = {key: expected[key] + (after[key] - before[key]) for key in expected}
    stack = LoraStack(pipe)
    found = stack.attach(entries, fuse=True)
    assert_close(expected, weights(pipe))
    fused = latents(pipe)
    stack.detach()

    assert [one.fused for one in found] == [True] * 3
    assert [one.fused for one in stack.attach(entries, fuse=False)] == [False, True, True]
    assert not stack.reweightable
    torch.testing.assert_close(latents(pipe), fused, atol=1e-4, rtol=1e-4)
    stack.detach()
    assert_same(before, weights(pipe))
    assert torch.equal(latents(pipe), bare)


def test_alphas_hold_for_merged_stacks_too(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sd15")
    before = weights(pipe)
    file = lora(pipe, alphas=(1.0, 4.0, 16.0))
    entries = [StackEntry(name, saved(file, tmp_path, name), 0.5) for name in "ab"]
    stack = LoraStack(pipe)
    stack.attach(entries, fuse=True, merge=MergeSpec(method="cat"))
    assert_close(file.expected(before, 1.0), weights(pipe))
    stack.detach()


def test_what_cannot_be_merged_is_named(pipes: Pipes, tmp_path: Path) -> None:
    path = saved(other(pipe := pipes("sd15"), "lokr"), tmp_path)
    before = weights(pipe)
    with pytest.raises(ConfigError, match=r"lora_stack\.merge: 'x' is a LoKr, which peft cannot merge"):
        attached(LoraStack(pipe), path, merge=MergeSpec(method="cat"))
    assert_same(before, weights(pipe))


def test_one_module_under_two_names_counts_once(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sdxl")
    own, theirs = lora(pipe, "kohya"), lora(pipe, "original")
    assert own.tensors.keys() != theirs.tensors.keys()
    assert_means(pipe, own, saved(own.tensors | theirs.tensors, tmp_path))


def test_modules_of_one_file_may_be_named_in_either_way(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sdxl")
    modules = list(chosen(pipe).items())
    one, two = lora(pipe, "kohya", modules=dict(modules[::2])), lora(pipe, "original", modules=dict(modules[1::2]))
    both = LoraFile(one.tensors | two.tensors, one.means | two.means)
    assert_means(pipe, both, saved(both, tmp_path))


def test_one_module_with_two_different_weights_is_refused(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sdxl")
    own, theirs = lora(pipe, "kohya"), lora(pipe, "original", alphas=(3.0,))
    with pytest.raises(ConfigError, match=r"has unet\.\S+ twice, with different weights: as lora_unet_"):
        attached(LoraStack(pipe), saved(own.tensors | theirs.tensors, tmp_path))


def test_stray_modules_are_named_as_the_file_names_them(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sdxl")
    file = lora(pipe, "original")
    first = next(key for key in file.tensors if "input_blocks" in key)
    stray = first.replace("input_blocks", "input_blocks_9")
    tensors = {key.replace(first.split(".")[0], stray.split(".")[0]): value for key, value in file.tensors.items()}
    count = len(file.means)
    with pytest.raises(ConfigError) as caught:
        attached(LoraStack(pipe), saved(tensors, tmp_path))
    assert f"matches {count - 1} of its {count} modules to the base (a LoRA for family sdxl)" in str(caught.value)
    assert str(caught.value).endswith(f"unmatched are e.g. {stray.split('.')[0]}")


def test_a_product_larger_than_the_weight_takes_no_memory(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sd15")
    (module,) = list(chosen(pipe, ("attn2.to_q",)))[:1]
    factors = {f"{spelt(pipe, module, 'kohya')}.lokr_w{number}": torch.zeros(2000, 2000) for number in "12"}
    with pytest.raises(
        ConfigError, match=r"does not fit the base: lora_unet\S+: a change of 16,000,000,000,000 numbers"
    ):
        attached(LoraStack(pipe), saved(factors, tmp_path))


def test_embeddings_beside_a_lora_do_not_hide_it(pipes: Pipes, tmp_path: Path) -> None:
    file = lora(pipe := pipes("sd15"))
    bundled = {"bundle_emb.fox.string_to_param.*": torch.zeros(2, 32)}
    assert_means(pipe, file, saved(file.tensors | bundled, tmp_path))


@pytest.mark.parametrize("rslora", [False, True])
def test_metadata_of_peft_has_the_scale(pipes: Pipes, tmp_path: Path, rslora: bool) -> None:
    import json

    pipe = pipes("sd15")
    modules = {place: weight for place, weight in chosen(pipe).items() if place[0] == "unet"}
    file = lora(pipe, "peft", alphas=(None,), modules=modules)
    scale = 8 / (2 if rslora else 4)
    for place, means in list(file.means.items()):
        file.means[place] = lambda weight, means=means: means(weight) * scale  # type: ignore[misc]
    config = {"r": 4, "lora_alpha": 8, "use_rslora": rslora, "target_modules": sorted(path for _, path in modules)}
    told = {f"unet.{key}": value for key, value in config.items()}
    path = saved(file, tmp_path, lora_adapter_metadata=json.dumps(told))
    assert_means(pipe, file, path)


def test_dora_of_peft_has_magnitudes_of_rows(pipes: Pipes, tmp_path: Path) -> None:
    pipe = pipes("sd15")
    modules = chosen(pipe, ("attn2.to_q", "attn2.to_out.0", "ff.net.0.proj"))
    file = lora(pipe, "peft", modules=modules, alphas=(None,))
    for place, plain in list(file.means.items()):
        magnitude = torch.linspace(0.5, 2.0, len(modules[place[:2]]))
        file.tensors[f"{spelt(pipe, place[:2], 'peft')}.lora_magnitude_vector"] = magnitude

        def means(weight: torch.Tensor, plain: Any = plain, magnitude: torch.Tensor = magnitude) -> torch.Tensor:
            merged = weight + plain(weight)
            rows: torch.Tensor = merged / torch.linalg.vector_norm(merged, dim=1, keepdim=True)
            return magnitude.double()[:, None] * rows - weight

        file.means[place] = means
    assert_means(pipe, file, saved(file, tmp_path), weight=1.0)


def test_a_lora_of_the_unet_alone_asks_nobody_to_open_an_issue(
    pipes: Pipes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = pipes("sdxl")
    modules = {place: weight for place, weight in chosen(pipe).items() if place[0] == "unet"}
    stack = LoraStack(pipe)
    with caplog.at_level(logging.INFO):
        attached(stack, saved(lora(pipe, modules=modules), tmp_path))
    assert not [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert stack.warnings == ()
    stack.detach()


def test_what_diffusers_warns_of_is_kept(pipes: Pipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = pipes("sd15")
    load, stack = pipe.load_lora_weights, LoraStack(pipe)

    def warn(*args: Any, **kwargs: Any) -> None:
        load(*args, **kwargs)
        logging.getLogger("diffusers.loaders.lora_base").warning("the scale was\nguessed")

    monkeypatch.setattr(pipe, "load_lora_weights", warn)
    attached(stack, saved(lora(pipe), tmp_path))
    assert stack.warnings == ("loras.x: the scale was guessed",)
    stack.detach()
    assert not stack.warnings


CASES: Mapping[str, tuple[Family, Any, tuple[int, ...], tuple[float | None, ...]]] = {
    "sd-scripts": ("sd15", "kohya", (4,), (2.0,)),
    "no alpha": ("sd15", "kohya", (1, 2), (None,)),
    "the original names": ("sdxl", "original", (4,), (4.0,)),
    "diffusers": ("sd21", "diffusers", (4,), (None,)),
    "alphas of blocks": ("sd21", "kohya", (4,), (4.0, 1.0, 8.0)),
    "some alphas": ("sd15", "kohya", (4,), (2.0, None)),
    "LyCORIS": ("sd15", "lycoris", (2,), (1.0,)),
    "peft with alphas": ("sd15", "peft", (2,), (6.0, 1.0)),
}
PLAIN = {"sd-scripts", "no alpha", "the original names", "diffusers"}


@pytest.mark.parametrize("name", CASES)
def test_a_file_called_plain_is_read_by_diffusers_as_it_is_meant(pipes: Pipes, tmp_path: Path, name: str) -> None:
    """A script of plain diffusers hands it over as it is."""
    family, naming, ranks, alphas = CASES[name]
    file = lora(pipe := pipes(family), naming, ranks=ranks, alphas=alphas)
    path = saved(file, tmp_path)
    assert (not_plain(path) is None) is (name in PLAIN)
    if name not in PLAIN:
        return
    before = weights(pipe)
    pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="x")
    pipe.set_adapters(["x"], adapter_weights=[0.7])
    pipe.fuse_lora(adapter_names=["x"])
    pipe.unload_lora_weights()
    assert_close(file.expected(before, 0.7), weights(pipe))
    with torch.no_grad():
        for key, value in before.items():
            component, _, parameter = key.partition(".")
            getattr(pipe, component).get_parameter(parameter).copy_(value)


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_are_not_plain(pipes: Pipes, tmp_path: Path, kind: str) -> None:
    assert not_plain(saved(other(pipes("sd15"), kind), tmp_path)) is not None


@pytest.mark.parametrize(("dropout", "plain"), [(0.0, True), (0.1, False)])
def test_dropout_in_diffusers_metadata(pipes: Pipes, tmp_path: Path, dropout: float, plain: bool) -> None:
    said = json.dumps({"unet.r": 4, "unet.lora_alpha": 4, "unet.lora_dropout": dropout})
    path = saved(lora(pipes("sd15"), "diffusers", alphas=(None,)), tmp_path, lora_adapter_metadata=said)
    assert (not_plain(path) is None) is plain
