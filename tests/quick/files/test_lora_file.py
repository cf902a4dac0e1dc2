"""A LoRA file's header says what it is, for which base, and what to do; nothing of it needs torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tcdflow.errors import ConfigError, SourceError
from tcdflow.files.lora_file import LoraFile, read
from tcdflow.files.lora_keys import split
from tcdflow.files.resolve import resolve
from tcdflow.request.findings import problems, warnings
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request

from .fakes import spec

Q = "down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def file(folder: Path, keys: Iterable[str], dtype: str = "float16", width: int = 32) -> Path:
    path = folder / "x.safetensors"
    save_file({key: np.zeros((1, width), np.dtype(dtype)) for key in keys}, path)
    return path


def lora(folder: Path, *modules: str, width: int = 32, parts: Iterable[str] = ("lora_down", "lora_up")) -> LoraFile:
    return read(file(folder, [f"{module}.{part}.weight" for module in modules for part in parts], width=width))


@pytest.mark.parametrize(
    ("key", "module", "part"),
    [
        ("lora_unet_mid_block.lora_down.weight", "lora_unet_mid_block", "down"),
        ("unet.mid_block.attn1.processor.to_q_lora.down.weight", "unet.mid_block.attn1.to_q", "down"),
        ("unet.mid_block.attn1.to_q.lora.up.weight", "unet.mid_block.attn1.to_q", "up"),
        ("text_encoder.fc1.lora_linear_layer.up.weight", "text_encoder.fc1", "up"),
        ("unet.conv_in.lora_A.weight", "unet.conv_in", "down"),
        ("unet.conv_in.lora_B.default.weight", "unet.conv_in", "up"),
        ("unet.conv_in.lora_B.bias", "unet.conv_in", "up_bias"),
        ("unet.conv_in.lora_magnitude_vector", "unet.conv_in", "magnitude"),
        ("lora_te_x.hada_w1_a", "lora_te_x", "hada_w1_a"),
        ("lora_te_x.lokr_w2_b", "lora_te_x", "lokr_w2_b"),
        ("lora_te_x.diff_b", "lora_te_x", "diff_b"),
    ],
)
def test_a_key_has_a_module_and_a_part(key: str, module: str, part: str) -> None:
    found = split(key)
    assert found is not None
    assert (found[0], found[2]) == (module, part)


@pytest.mark.parametrize("key", ["conv_in.weight", "down.weight", "encoder.down.weight", "alpha", "", "x.wd_for_diff"])
def test_other_keys_are_of_no_lora(key: str) -> None:
    assert split(key) is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight"], "is a LoRA for FLUX or a relative of it"),
        (["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"], "is a LoRA for FLUX"),
        (["lora_unet_joint_blocks_0_context_block_attn_qkv.hada_w1_a"], "is a LoHa for Stable Diffusion 3"),
        (["transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight"], "is a LoRA for Stable Diffusion 3"),
        (["diffusion_model.blocks.0.cross_attn.q.lora_A.weight"], "is a LoRA for a diffusion transformer"),
        (
            ["base_model.model.conv_in.lora_A.weight"],
            "was saved by peft alone, which keeps the scale in adapter_config",
        ),
        (["something.else"], "holds no LoRA: none of its 1 keys is one, e.g. something.else"),
        ([], "holds no LoRA: it is empty"),
        (["lora_unet_x.oft_blocks", "lora_unet_x.alpha"], "is of kind OFT, which cannot be loaded"),
        (["lora_unet_x.a1.weight", "lora_unet_x.b1.weight"], "is of kind GLoRA, which cannot be loaded"),
        (["lora_unet_x.lora_down.weight"], "is incomplete: lora_unet_x has down alone"),
        (["lora_unet_x.lokr_w1", "lora_unet_x.lokr_w2_a"], "is incomplete: lora_unet_x has lokr_w1, lokr_w2_a alone"),
        (
            ["lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_x.scale_weight"],
            "has 1 keys of no kind that can be loaded, e.g. lora_unet_x.scale_weight",
        ),
    ],
    ids=lambda value: value[0][:60] if isinstance(value, list) and value else None,
)
def test_what_cannot_be_loaded_is_called_by_its_name(tmp_path: Path, keys: list[str], said: str) -> None:
    with pytest.raises(SourceError, match=said.replace("(", r"\(")):
        read(file(tmp_path, keys)).check()


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (["lora_down.weight", "lora_up.weight", "alpha"], "LoRA"),
        (["lora_down.weight", "lora_mid.weight", "lora_up.weight"], "LoRA"),
        (["lora_down.weight", "lora_up.weight", "dora_scale"], "LoRA with DoRA"),
        (["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"], "LoHa"),
        (["lokr_w1", "lokr_w2_a", "lokr_w2_b"], "LoKr"),
        (["diff", "diff_b"], "full difference"),
        (["b_norm"], "norm difference"),
        (["on_input", "weight"], "IA3"),
    ],
)
def test_kinds_that_can_be_loaded(tmp_path: Path, parts: list[str], kind: str) -> None:
    found = read(file(tmp_path, [f"lora_unet_x.{part}" for part in parts]))
    found.check()
    assert found.kind == kind


def test_quantized_tensors_are_refused(tmp_path: Path) -> None:
    keys = ["lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight"]
    with pytest.raises(SourceError, match="has tensors of type I8, quantized"):
        read(file(tmp_path, keys, "int8")).check()


def test_an_alpha_of_a_module_without_weights_scales_nothing(tmp_path: Path) -> None:
    keys = ["lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_y.alpha"]
    found = read(file(tmp_path, keys))
    found.check()
    assert list(found.modules) == ["lora_unet_x"]


@pytest.mark.parametrize(
    ("modules", "width", "family"),
    [
        ([f"lora_unet_{Q}"], 768, "sd15"),
        ([f"lora_unet_{Q}"], 1024, "sd21"),
        (["lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"], 2048, "sdxl"),
        (["unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"], 2048, "sdxl"),
        (["lora_te2_text_model_encoder_layers_0_mlp_fc1"], 32, "sdxl"),
        ([f"lora_unet_{Q}"], 32, None),
        (["lora_unet_conv_in"], 768, None),
    ],
)
def test_the_base_is_known_by_what_the_unet_reads(
    tmp_path: Path, modules: list[str], width: int, family: str | None
) -> None:
    found = lora(tmp_path, *modules, width=width)
    assert found.family == family
    assert (found.refusal("sd15") is None) == (family in (None, "sd15"))
    assert (found.refusal("emoji") is None) == (family is None)


def test_a_run_is_refused_before_torch_if_its_lora_is_for_another_base(tmp_path: Path) -> None:
    lora(tmp_path, f"lora_unet_{Q}", width=2048)
    run = spec("embedded:emoji", loras={"style": str(tmp_path)})
    (problem,) = problems(run, resolve(run))
    assert (
        str(problem)
        == "loras.style.source: 'x.safetensors' is a LoRA for family sdxl and does not fit a base of family sd15"
    )


def test_a_run_is_refused_before_torch_if_its_lora_is_of_another_kind(tmp_path: Path) -> None:
    file(tmp_path, ["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"])
    with pytest.raises(ConfigError, match=r"loras\.style\.source: 'x\.safetensors' is a LoRA for FLUX"):
        Preparer()(Request(spec("embedded:emoji", loras={"style": str(tmp_path)})))


def test_embeddings_beside_a_lora_are_told(tmp_path: Path) -> None:
    pair = ["lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight"]
    file(tmp_path, [*pair, "bundle_emb.fox.string_to_param.*", "bundle_emb.fox.clip_g"])
    run = spec("embedded:emoji", loras={"style": str(tmp_path)})
    said = "loras.style: its textual inversion embeddings (fox) are not loaded, and mean nothing in a prompt"
    assert said in list(warnings(run, resolve(run)))


def test_a_weight_does_not_take_away_the_magnitudes_of_peft(tmp_path: Path) -> None:
    found = read(
        file(tmp_path, [f"unet.x.{part}" for part in ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector")])
    )
    assert list(found.warnings(1.0)) == []
    (said,) = found.warnings(0.0)
    assert said.endswith("so that 0 is not without effect")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert lora(tmp_path, f"lora_unet_{Q}", width=768).family == "sd15"
    assert lora(tmp_path, f"lora_unet_{Q}", width=2048).family == "sdxl"


def test_no_torch_is_needed() -> None:
    import subprocess
    import sys

    code = "import sys, tcdflow.request.findings; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
