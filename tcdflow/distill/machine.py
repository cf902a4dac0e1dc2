"""Where a distillation computes: devices, precision and processes, through accelerate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.distill import Distillation

_PATIENCE = timedelta(days=2)
"""For which processes wait for each other: one may still be encoding data."""

_MIXED = {"float32": "no", "float16": "fp16", "bfloat16": "bf16"}
_HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}


def accelerator(distill: Distillation) -> Accelerator:
    """Return the accelerator of this process, one of several under ``accelerate launch``.

    Raises:
        ConfigError: if the machine has no such device or precision, or the batch cannot be shared.
    """
    cuda = torch.cuda.is_available()
    if distill.device == "cuda" and not cuda:
        raise ConfigError([Problem("distill.device", "this machine has cpu", "cuda")])
    on_cpu = distill.device == "cpu" or not cuda
    precision = distill.precision
    if precision == "auto":
        precision = "float32" if on_cpu else "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if on_cpu and precision == "float16":
        what = "is too slow and too narrow on a cpu; use float32 or bfloat16"
        raise ConfigError([Problem("distill.precision", what, precision)])
    if on_cpu and distill.optimizer == "adamw8bit":
        raise ConfigError([Problem("distill.optimizer", "needs a GPU; use adamw", distill.optimizer)])
    found = Accelerator(
        mixed_precision=_MIXED[precision], cpu=on_cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)]
    )
    if distill.batch % (distill.accumulation * found.num_processes):
        what = f"must be a multiple of distill.accumulation times the {found.num_processes} processes"
        raise ConfigError([Problem("distill.batch", what, distill.batch)])
    return found


def any_of(found: Accelerator, here: bool) -> bool:
    """Say whether something is so in any process: all of them get the same answer."""
    if found.num_processes == 1:
        return here
    wanted = torch.tensor(float(here), device=found.device)
    return float(found.reduce(wanted, "sum")) > 0


def half(found: Accelerator) -> torch.dtype | None:
    """Return the number format of mixed precision; None without."""
    return _HALF.get(str(found.mixed_precision))


def described(found: Accelerator) -> dict[str, Any]:
    """Return what of the machine can change bits."""
    where = found.device
    return {
        "device": where.type,
        "device_name": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": found.num_processes,
        "precision": next(name for name, mixed in _MIXED.items() if mixed == str(found.mixed_precision)),
    }
