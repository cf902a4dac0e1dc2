"""Whether diffusers, given a LoRA file as it is, reads all of it as it is meant: told from the file, without torch.

It is on the safe side of :class:`tcdflow.pipeline.lora_weights.LoraWeights`, which knows the modules of the pipeline.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files.lora_file import LoraFile, read
from tcdflow.files.lora_keys import Kind
from tcdflow.files.safetensors_header import read_header

METADATA = "lora_adapter_metadata"
"""diffusers' own: scales and ranks of a file that peft made."""

_KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
_DIFFUSERS = ("unet.", "text_encoder.", "text_encoder_2.")
_ATTENTION = (".q_proj", ".k_proj", ".v_proj", ".out_proj", ".to_q", ".to_k", ".to_v", ".to_out")
_ORIGINAL = ("input_blocks", "middle_block", "output_blocks")
_FORMATS = {"F64": "<d", "F32": "<f", "F16": "<e", "BF16": "<H"}


def not_plain(path: Path) -> str | None:
    """Say what of a LoRA file diffusers would lose or mistake; None if nothing.

    Raises:
        SourceError: if the file is damaged.
        OSError: if it cannot be read.
    """
    file, header = read(path), read_header(path)
    parts = {part for found in file.modules.values() for part in found}
    if set(file.kinds.values()) != {Kind.LORA} or parts & {"mid", "dora_scale"}:
        return f"a {file.kind}"
    if METADATA in header.metadata:
        return "a LoRA with dropout" if _drops(header.metadata[METADATA]) else None
    if file.embeddings:
        return "a LoRA with embeddings in its file"
    if any(header.dtypes[key].startswith("F8") for found in file.modules.values() for key in found.values()):
        return "a LoRA in 8 bits"
    return _names(file) or _alphas(path, file)


def _drops(metadata: str) -> bool:
    """Say whether diffusers' metadata ask for dropout, which would make images random."""
    try:
        plain = json.loads(metadata)
        return any(value for key, value in plain.items() if key.endswith("lora_dropout"))
    except (ValueError, AttributeError, RecursionError):
        return True


def _names(file: LoraFile) -> str | None:
    names = list(file.modules)
    parts = {part for found in file.modules.values() for part in found}
    if all(name.startswith(_KOHYA) for name in names):
        mixed = any("down_blocks" in name or "up_blocks" in name for name in names)
        return "a LoRA with names of two kinds" if mixed and any(map(_original, names)) else None
    if not all(name.startswith(_DIFFUSERS) for name in names):
        return "a LoRA with these names"
    if "alpha" in parts or any(".default." in key for found in file.modules.values() for key in found.values()):
        return "a LoRA with these names"
    texts = [name for name in names if name.startswith("text_encoder")]
    if texts and not any(name.endswith(_ATTENTION) for name in texts):
        return "a LoRA without the text encoder's attentions"
    return None


def _original(name: str) -> bool:
    return any(part in name for part in _ORIGINAL)


def _alphas(path: Path, file: LoraFile) -> str | None:
    """Return what diffusers mistakes where alphas differ: it takes the most frequent one in attentions."""
    keys = [parts["alpha"] for parts in file.modules.values() if "alpha" in parts]
    if not keys or (len(keys) == len(file.modules) and len(set(_numbers(path, keys))) == 1):
        return None
    return "a LoRA whose alphas differ between layers, which diffusers mistakes,"


def _numbers(path: Path, keys: Sequence[str]) -> Iterator[float]:
    """Yield the values of tensors of one number each.

    Raises:
        SourceError: if one of them is none.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))  # which read_header has checked
        for key in keys:
            dtype, (start, end) = header[key]["dtype"], header[key]["data_offsets"]
            if dtype not in _FORMATS or end - start != struct.calcsize(_FORMATS[dtype]):
                raise SourceError(f"{key} is not one number")
            file.seek(8 + length + start)
            data = file.read(end - start)
            whole = b"\0\0" + data if dtype == "BF16" else data
            (value,) = struct.unpack("<f" if dtype == "BF16" else _FORMATS[dtype], whole)
            yield float(value)
