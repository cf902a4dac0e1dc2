"""Checkpoints: all that the next step depends on, in one safetensors file that is whole or not there.

Draws need no state (:mod:`.draws`), so a checkpoint is the LoRA, its moving average, the optimizer's state and the
number of steps done. No pickle is written or read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tcdflow.record.atomic import write_bytes
from tcdflow.record.cleanup import own_folder
from tcdflow.text import one_line

FOLDER = "checkpoints"
_NAME = re.compile(r"\d{8}\.safetensors", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """A moment between two steps.

    Attributes:
        step: steps that are done.
        key: of the distillation that it belongs to.
        lora: weights by their names in the UNet.
        optimizer: states of the weights, in the order of the LoRA: tensors and numbers by name.
        ema: moving average of the weights, if there is one.
        scaler: state of float16's loss scaling; empty without.
    """

    step: int
    key: str
    lora: Mapping[str, Tensor]
    optimizer: list[dict[str, Any]]
    ema: Mapping[str, Tensor] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)


def write(directory: Path, found: Checkpoint, keep: int) -> None:
    """Write a checkpoint, durably, then remove those before the latest ``keep``.

    Raises:
        OutputError: if it cannot be written.
    """
    tensors = {f"lora/{name}": weight for name, weight in found.lora.items()}
    tensors |= {f"ema/{name}": weight for name, weight in found.ema.items()}
    numbers: list[dict[str, Any]] = []
    for place, state in enumerate(found.optimizer):
        tensors |= {f"optimizer/{place}/{name}": value for name, value in state.items() if torch.is_tensor(value)}
        numbers.append({name: value for name, value in state.items() if not torch.is_tensor(value)})
    plain = {"step": found.step, "key": found.key, "optimizer": numbers, "scaler": dict(found.scaler)}
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, {"state": json.dumps(plain)}
    )
    folder = own_folder(directory / FOLDER)
    write_bytes(folder / f"{found.step:08d}.safetensors", data)
    for path in _paths(directory)[keep:]:
        with suppress(OSError):
            path.unlink()


def latest(directory: Path, keys: Collection[str]) -> tuple[Checkpoint | None, list[str]]:
    """Return the latest checkpoint that can be read, and what is wrong with those after it.

    Args:
        directory: of the distillation.
        keys: of it; a checkpoint of another is left alone.
    """
    wrong: list[str] = []
    for path in _paths(directory):
        try:
            found = _read(path)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
            wrong.append(f"{path.name} is damaged and passed over: {one_line(str(error))[:200]}")
            continue
        if found.key in keys:
            return found, wrong
        wrong.append(f"{path.name} belongs to another distillation and is passed over")
    return None, wrong


def _paths(directory: Path) -> list[Path]:
    """Return the checkpoints, the latest first; a link is none."""
    folder = directory / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted((path for path in found if path.is_file() and not path.is_symlink()), reverse=True)


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as file:
        plain = json.loads(file.metadata()["state"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    optimizer: list[dict[str, Any]] = [dict(one) for one in plain["optimizer"]]
    for name, tensor in _below(tensors, "optimizer/"):
        place, _, state = name.partition("/")
        optimizer[int(place)][state] = tensor
    step, key, scaler = int(plain["step"]), str(plain["key"]), dict(plain["scaler"])
    return Checkpoint(step, key, dict(_below(tensors, "lora/")), optimizer, dict(_below(tensors, "ema/")), scaler)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors by the rest of their names, as memory of their own: mapped files are aligned otherwise."""
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), tensor.clone()
