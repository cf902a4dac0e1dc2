"""Configs of components choose no code and no endless work, and agree with their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tcdflow import embedded
from tcdflow.errors import ConfigError
from tcdflow.files.component_config import mismatch, problem
from tcdflow.files.resolve import resolve

from .fakes import pipeline, spec, write

CODE = {
    "attn_implementation": "kernels-community/anything@main",
    "_attn_implementation": "flash_attention_2",
    "experts_implementation": "x",
    "auto_map": {"AutoModel": "evil.Model"},
    "custom_pipelines": {"x": "y"},
    "quantization_config": {"quant_method": "bitsandbytes"},
    "use_kernels": True,
    "use_pretrained_backbone": True,
    "use_timm_backbone": True,
    "backbone": "someone/else",
    "trust_remote_code": True,
    "_class_name": "a.b",
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "tokenizer_class": "EvilTokenizer",
    "transformers_weights": "other.safetensors",
    "fusion_config": {"patch_embeddings": True},
    "hidden_act": "xielu",
    "act_fn": ["relu"],
}
SIZES: dict[str, Any] = {
    "num_hidden_layers": 1_000_000,
    "hidden_size": 10**9,
    "vocab_size": -1,
    "model_max_length": 10**9,
    "num_train_timesteps": 10**8,
    "block_out_channels": [8, 10**9],
    "down_block_types": 10**30,
    "layers_per_block": [1, [10**6]],
    "num_attention_heads": "8",
    "in_channels": 4.5,
    "sample_size": True,
    "depths": [10**6],
    "motion_mid_block_layers_per_block": 10**6,
    "num_labels": 10**9,
    "size": {"height": 10**9, "width": 1},
    "scaling_factor": 1e300,
    "shift_factor": float("nan"),
    "trained_betas": [0.0] * 100_001,
    "crop_size": {"height": 0, "width": 32},
    "beta_start": "x",
    "clip_sample": 1,
    "only_cross_attention": [True, "x"],
    "prediction_type": 5,
    "image_mean": {"a": 1},
    "norm_eps": None,
    "freq_shift": [0],
    "downsample_padding": -1,
    "controlnet_conditioning_channel_order": "x",
    "upsampling_scaling_factor": True,
}


@pytest.mark.parametrize("key", [*CODE, *SIZES])
@pytest.mark.parametrize("nested", [False, True])
def test_what_no_model_has_is_refused_by_name(key: str, nested: bool) -> None:
    config: dict[str, Any] = {key: (CODE | SIZES)[key]}
    said = problem("config.json", {"text_config": [config]} if nested else config)
    assert said is not None
    assert said.startswith(f"{key}: ")


def test_what_published_configs_have_passes() -> None:
    told: dict[str, Any] = {"lambda_min_clipped": float("-inf"), "trained_betas": None}
    told |= {"upcast_attention": [True, False], "eos_token_id": None}
    told |= {"beta_end": 1, "projection_dim": 0, "transformer_layers_per_block": [0, 2]}
    assert problem("scheduler_config.json", told) is None


@pytest.mark.parametrize(
    ("key", "step", "value"),
    [
        ("size", "do_resize", None),
        ("resample", "do_resize", -1),
        ("crop_size", "do_center_crop", None),
        ("rescale_factor", "do_rescale", None),
        ("image_mean", "do_normalize", [0.5]),
        ("image_std", "do_normalize", None),
    ],
)
def test_an_image_processor_has_what_its_steps_need(key: str, step: str, value: object) -> None:
    assert str(problem("preprocessor_config.json", {key: value, step: True})).startswith(f"{key}: must be ")
    assert problem("preprocessor_config.json", {step: True}) is None


def test_a_text_encoder_knows_where_a_prompt_ends() -> None:
    assert problem("config.json", {"model_type": "clip_text_model", "eos_token_id": 2}) is None
    said = problem("config.json", {"model_type": "clip_text_model", "eos_token_id": None})
    assert said is not None and said.startswith("eos_token_id: must be a whole number")


def test_nesting() -> None:
    config: dict[str, Any] = {}
    for _ in range(100):
        config = {"a": config}
    assert "nests deeper" in str(problem("config.json", config))


@pytest.mark.parametrize("key", [key for key in CODE if key != "_class_name"])
def test_unset_keys_are_no_choice(key: str) -> None:
    assert problem("config.json", {key: None}) is None


def test_ways_that_the_libraries_have_themselves() -> None:
    for way in ("sdpa", "eager"):
        assert problem("config.json", {"_attn_implementation": way}) is None


def test_an_adapter_beside_the_weights_is_refused() -> None:
    """transformers would fetch its base."""
    assert problem("adapter_config.json", {}) is not None


@pytest.mark.parametrize("key", ["vocab_file", "auto_map", "model_max_length", "_file", ""])
def test_special_tokens_are_tokens(key: str) -> None:
    """transformers takes any other key for a setting of the tokenizer, a path of its vocabulary among them."""
    assert problem("special_tokens_map.json", {"bos_token": {"content": "<s>"}, "extra_special_tokens": []}) is None
    said = problem("special_tokens_map.json", {"bos_token": "<s>", key: "/etc/passwd"})
    assert said is not None and said.startswith(f"{key}: is no special token")


@pytest.mark.parametrize("regex", ["(a+)+$", r"\s+|(x+x+)+y", 5, ["a"]])
def test_a_tokenizers_own_pattern_is_refused(regex: object) -> None:
    split = {"type": "Split", "pattern": {"Regex": regex}}
    said = problem("tokenizer.json", {"pre_tokenizer": {"pretokenizers": [split]}, "model": {"vocab": {}}})
    assert said == "has a regular expression that is not CLIP's"


def test_our_own_model_passes() -> None:
    for path in embedded.model_path("emoji").rglob("*.json"):
        if path.name != "vocab.json":
            assert problem(path.name, json.loads(path.read_text())) is None, path


CLIP = {
    "text_model.embeddings.token_embedding.weight": (100, 8),
    "text_model.embeddings.position_embedding.weight": (77, 8),
    "text_model.encoder.layers.0.mlp.fc1.weight": (16, 8),
    "text_model.encoder.layers.1.mlp.fc1.weight": (16, 8),
}
UNET = {
    "down_blocks.0.resnets.0.conv1.weight": (8, 8, 3, 3),
    "down_blocks.0.attentions.0.transformer_blocks.0.norm1.weight": (8,),
}


@pytest.mark.parametrize(
    ("shapes", "config", "what"),
    [
        (CLIP, {"num_hidden_layers": 3}, "num_hidden_layers: is 3, and its weights have 2"),
        (CLIP, {"num_hidden_layers": 1}, None),  # the last are left out, which some models mean
        (CLIP, {"num_hidden_layers": 2, "hidden_size": 8, "vocab_size": 100, "intermediate_size": 16}, None),
        (CLIP, {"hidden_size": 16}, "hidden_size: is 16, and its weights have 8"),
        (CLIP, {"vocab_size": 200}, "vocab_size: is 200, and its weights have 100"),
        (CLIP, {"max_position_embeddings": 7700}, "max_position_embeddings: is 7700, and its weights have 77"),
        (UNET, {"layers_per_block": 1, "transformer_layers_per_block": [1, 1]}, None),
        (UNET, {"layers_per_block": [1, 4]}, "layers_per_block: is 4, and its weights have 1"),
        (UNET, {"transformer_layers_per_block": 9}, "transformer_layers_per_block: is 9, and its weights have 1"),
    ],
)
def test_a_model_has_the_layers_of_its_weights(
    shapes: dict[str, tuple[int, ...]], config: dict[str, Any], what: str | None
) -> None:
    assert mismatch(config, shapes) == what


@pytest.mark.parametrize("name", ["unet/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json"])
def test_it_is_said_by_file_and_key(name: str, tmp_path: Path) -> None:
    write(tmp_path, pipeline() | {name: b'{"auto_map": {"AutoModel": "x.Y"}}'})
    with pytest.raises(ConfigError) as caught:
        resolve(spec(str(tmp_path)))
    assert str(caught.value) == (
        f"base.source: '{tmp_path}': {name} auto_map: would have a library import, fetch or quantize; no config may"
    )


@pytest.mark.parametrize(
    ("component", "cls"),
    [
        ("unet", "AutoModel"),
        ("vae", "UNet2DConditionModel"),
        ("text_encoder", "LlamaModel"),
        ("tokenizer", "AutoTokenizer"),
        ("scheduler", "DiffusionPipeline"),
        ("safety_checker", "CLIPModel"),
        ("feature_extractor", "AutoProcessor"),
    ],
)
def test_classes_are_those_of_the_role(component: str, cls: str, tmp_path: Path) -> None:
    files = pipeline()
    index = json.loads(files["model_index.json"])
    index[component][1] = cls
    write(tmp_path, files | {"model_index.json": json.dumps(index).encode()})
    with pytest.raises(ConfigError, match=f"makes {component} a {cls}, which is not supported"):
        resolve(spec(str(tmp_path)))
