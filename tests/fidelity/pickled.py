"""Stand-ins whose weights are pickles, harmless and not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tcdflow.files.model_index import read_json


class Evil:
    """A pickle that makes a file when it is loaded by who runs what pickles say."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def evil(path: Path, trace: Path) -> Path:
    """Write weights among which something else hides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"weight": torch.zeros(1), "other": Evil(trace)}, path)
    return path


def file(safe: Path, path: Path, *, nested: bool = False, trained: bool = False) -> Path:
    """Write a pickle of a safetensors file.

    Args:
        safe: the safetensors.
        path: where to write.
        nested: in mappings by the first part of each name, as IP-Adapters are.
        trained: as a training checkpoint, with more in it than weights.
    """
    state: dict[str, Any] = dict(load_file(safe))
    if nested:
        names = {name.partition(".")[0] for name in state}
        state = {n: {key.partition(".")[2]: value for key, value in state.items() if key.startswith(n)} for n in names}
    if trained:
        state = {"state_dict": state, "global_step": 7, "optimizer_states": [{"lr": 0.1}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def folder(safe: Path, path: Path, *, sharded: str = "") -> Path:
    """Write a copy of a folder with pickles in the place of safetensors, those of one component in two parts."""
    shutil.copytree(safe, path, ignore=shutil.ignore_patterns("*.fp16.*"))
    for weights in sorted(path.rglob("*.safetensors")):
        stem = "pytorch_model" if weights.stem == "model" else weights.stem
        if sharded and weights.parent.name == sharded:
            _shard(weights, stem)
        else:
            file(weights, weights.with_name(f"{stem}.bin"))
        weights.unlink()
    return path


def _shard(weights: Path, stem: str) -> None:
    tensors = list(load_file(weights).items())
    places: dict[str, str] = {}
    for number in (1, 2):
        name = f"{stem}-{number:05d}-of-00002.bin"
        part = dict(tensors[number - 1 :: 2])
        torch.save(part, weights.with_name(name))
        places |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": weights.stat().st_size}, "weight_map": places}
    weights.with_name(f"{stem}.bin.index.json").write_text(json.dumps(index))
    assert read_json(weights.with_name(f"{stem}.bin.index.json"))
