"""Repositories of a few hundred bytes: every file and folder is there, and the weights hold one number."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from tcdflow.files.artifact import Artifact
from tcdflow.files.finder import Finder
from tcdflow.files.resolve import fetch
from tcdflow.files.source import Source
from tcdflow.spec.model import RunSpec


def weights(value: float = 1.0, *names: str) -> bytes:
    """A safetensors file of one float32 a name."""
    tensors = names or ("weight",)
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate(tensors)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack(f"<{len(tensors)}f", *[value] * len(tensors))


def lora(value: float = 1.0, *modules: str) -> bytes:
    """A LoRA of two float32 a module."""
    return weights(value, *(f"lora_unet_{name}.{part}.weight" for name in modules for part in ("lora_down", "lora_up")))


def index(**entries: object) -> bytes:
    """A ``model_index.json`` of Stable Diffusion 1.5, with some entries replaced."""
    plain: dict[str, object] = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "requires_safety_checker": True,
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "image_encoder": [None, None],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    return json.dumps(plain | entries).encode()


MODELS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model",
          "safety_checker": "model"}  # fmt: skip


def pipeline(variants: tuple[str, ...] = ("", ".fp16"), pickles: bool = True, mark: str = "") -> dict[str, bytes]:
    """The files of a repository as those of Stable Diffusion are, with what nobody needs; no two are alike, since the
    cache of the hub keeps equal ones once.
    """
    files = {
        "model_index.json": index(),
        "README.md": b"A model." + mark.encode(),
        ".gitattributes": b"*.safetensors filter=lfs",
        "scheduler/scheduler_config.json": b'{"is": "scheduler"}',
        "feature_extractor/preprocessor_config.json": b'{"is": "processor"}',
        "tokenizer/vocab.json": b'{"a": 0}',
        "tokenizer/merges.txt": b"#version: 0.2",
        "tokenizer/tokenizer_config.json": b'{"is": "tokenizer"}',
        "tokenizer/.cache": b"",
        "v1-5-pruned-emaonly.safetensors": weights(9.0),
        "unet/flax_model.msgpack": b"flax",
    }
    for number, (folder, stem) in enumerate(MODELS.items()):
        files[f"{folder}/config.json"] = json.dumps({"is": folder, "mark": mark}).encode()
        for variant in variants:
            files[f"{folder}/{stem}{variant}.safetensors"] = weights(number + len(variant) / 10, f"{folder}{mark}")
        if pickles:
            files[f"{folder}/{stem}.bin"] = b"\x80\x02pickle" + folder.encode()
    return files


def needed(variant: str = "", *, safety_checker: bool = False) -> set[str]:
    """The names of the files of ``pipeline`` that a run reads."""
    names = {"model_index.json", "scheduler/scheduler_config.json", "feature_extractor/preprocessor_config.json"}
    names |= {f"tokenizer/{name}" for name in ("vocab.json", "merges.txt", "tokenizer_config.json")}
    for folder, stem in MODELS.items():
        if folder != "safety_checker" or safety_checker:
            names |= {f"{folder}/config.json", f"{folder}/{stem}{variant}.safetensors"}
    return names


def spec(source: str, /, *, loras: Mapping[str, str] | None = None, **base: object) -> RunSpec:
    """A run of a base of the SD 1.5 family, on a CPU."""
    return RunSpec.model_validate(
        {
            "prompt": "a fox",
            "base": {"family": "sd15", "source": source, "size": 64, **base},
            "scheduler": {"name": "tcd"},
            "loras": {name: {"source": where} for name, where in (loras or {}).items()},
            "sampling": {"steps": 4, "eta": 0.0, "guidance_scale": 0.0},
            "runtime": {"device": "cpu"},
        }
    )


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder and return it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def weight_file(role: str, source: Source) -> Artifact:
    """Find one weight file, and fetch it."""
    (found,) = fetch([Finder().weight_file(role, source)])
    return found


def model_folder(role: str, source: Source, half: bool, variant: str | None = "auto") -> Artifact:
    """Find one model, and fetch it."""
    (found,) = fetch([Finder().model_folder(role, source, half, variant)])
    return found
