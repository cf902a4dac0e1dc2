"""The optimizer of the LoRA, and its state as plain tensors and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from tcdflow.spec.distill import Distillation


def make(distill: Distillation, weights: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return AdamW over weights: torch's, or that of bitsandbytes with states in 8 bits."""
    arguments: dict[str, Any] = {"lr": distill.learning_rate, "weight_decay": distill.weight_decay}
    if distill.optimizer == "adamw8bit":
        from bitsandbytes.optim import AdamW8bit

        eight: torch.optim.Optimizer = AdamW8bit(list(weights), **arguments)
        return eight
    return torch.optim.AdamW(list(weights), **arguments)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def states(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the state of each weight, in their order; empty ones before the first step."""
    plain = optimizer.state_dict()
    count = sum(len(group["params"]) for group in plain["param_groups"])
    return [dict(plain["state"].get(number, {})) for number in range(count)]


def restore(optimizer: torch.optim.Optimizer, found: Sequence[dict[str, Any]]) -> None:
    """Set what :func:`states` has returned."""
    plain = optimizer.state_dict()
    optimizer.load_state_dict({**plain, "state": {number: dict(one) for number, one in enumerate(found) if one}})
