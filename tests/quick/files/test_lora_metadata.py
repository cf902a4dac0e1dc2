"""What a LoRA says of itself is names and small numbers: no pattern of its own is ever matched."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tcdflow.errors import SourceError
from tcdflow.files.lora_metadata import KEY, problem
from tcdflow.files.source import parse

from .fakes import weight_file

EVIL = r"(.*)*(.*)*x"


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"unet.target_modules": EVIL}, "unet.target_modules"),
        ({"unet.target_modules": ["to_q", EVIL]}, "unet.target_modules"),
        ({"unet.rank_pattern": {EVIL: 4}}, "unet.rank_pattern"),
        ({"text_encoder.alpha_pattern": {EVIL: 4}}, "text_encoder.alpha_pattern"),
        ({"unet": {"rank_pattern": {EVIL: 4}}}, "rank_pattern"),
        ({"unet.exclude_modules": EVIL}, "unet.exclude_modules"),
        ({"unet.layers_pattern": [EVIL]}, "unet.layers_pattern"),
        ({"unet.rank_pattern": {f"a{n}": 4 for n in range(10_000)}}, "unet.rank_pattern"),
        ({"unet.r": 10**9}, "unet.r"),
        ({"unet.lora_alpha": float("inf")}, "unet.lora_alpha"),
        ({"unet.lora_alpha": float("nan")}, "unet.lora_alpha"),
        ({"unet.r": 10**400}, "unet.r"),
        ({"unet.r": [[[[[[[[[[1]]]]]]]]]]}, "unet.r"),
        ({"unet.x": "y" * 5000}, "unet.x"),
        ({"unet.megatron_config": {"a": 1}, "unet.megatron_core": "megatron.core"}, "unet.megatron_config"),
        ({"text_encoder.eva_config": {"rho": 2.0}}, "text_encoder.eva_config"),
        ({"unet.layer_replication": [[0, 4], [0, 4]]}, "unet.layer_replication"),
        ({"unet.runtime_config": {"ephemeral_gpu_offload": True}}, "unet.runtime_config"),
        ({"unet.init_lora_weights": "pissa"}, "unet.init_lora_weights"),
        ({"unet.init_lora_weights": ["gaussian"]}, "unet.init_lora_weights"),
        ({"unet.x": 1}, "unet.x"),
    ],
)
def test_what_peft_would_match_or_build_is_refused_by_key(config: dict[str, Any], key: str) -> None:
    assert str(problem({KEY: json.dumps(config)})).startswith(f"{KEY}: {key}: ")


@pytest.mark.parametrize("text", ["", "{", "[1]", "1", "null", "[" * 100_000])
def test_what_is_no_mapping(text: str) -> None:
    assert str(problem({KEY: text})).startswith(f"has a {KEY} that is not ")


def test_what_peft_writes_passes() -> None:
    config = {
        "unet.r": 8,
        "unet.lora_alpha": 16,
        "unet.lora_dropout": 0.0,
        "unet.target_modules": ["to_q", "to_k", "ff.net.0.proj", "down_blocks.0.attentions.1.proj_in"],
        "unet.rank_pattern": {"down_blocks.0.attentions.1.proj_in": 4, "^mid_block.resnets.0.conv1$": 2},
        "unet.alpha_pattern": {},
        "unet.layers_pattern": None,
        "unet.init_lora_weights": True,
        "unet.base_model_name_or_path": "owner/model",
        "unet.peft_version": "0.21.2.dev0@UNKNOWN",
        "unet.bias": "none",
        "unet.megatron_config": None,
        "unet.megatron_core": "megatron.core",
        "unet.loftq_config": {},
        "unet.runtime_config": {"ephemeral_gpu_offload": False},
        "unet.use_qalora": False,
        "unet.qalora_group_size": 16,
        "text_encoder.init_lora_weights": "gaussian",
    }
    assert problem({KEY: json.dumps(config)}) is None
    assert problem({"format": "pt", "ss_network_args": EVIL}) is None


def test_it_is_said_of_the_file_before_a_library_sees_it(tmp_path: Path) -> None:
    header = {"__metadata__": {KEY: json.dumps({"unet.target_modules": EVIL})}}
    header["w"] = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}  # type: ignore[dict-item]
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(
        SourceError, match=r"^x\.safetensors lora_adapter_metadata: unet\.target_modules: .* is not the name"
    ):
        weight_file("loras.x", parse(str(tmp_path / "x.safetensors")))
