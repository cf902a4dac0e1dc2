"""Devices and number formats by name.

The map of formats is ours since diffusers silently takes the string "float16" for float32.
"""

from __future__ import annotations

import time

import torch

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.accelerator import cpu_has_bfloat16
from tcdflow.spec.model import RuntimeSpec

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose(runtime: RuntimeSpec) -> tuple[torch.device, torch.dtype]:
    """Return the device and dtype that a run asks for, ``auto`` resolved for this machine.

    Raises:
        ConfigError: if this machine has no such device, or the device does not compute in the dtype.
    """
    device = _device(runtime.device)
    if runtime.dtype == "auto":
        return device, torch.float32 if device.type == "cpu" else torch.float16
    if device.type == "cpu" and runtime.dtype == "float16":
        also = " or bfloat16" if cpu_has_bfloat16() else ""
        what = f"is too slow and too narrow on a cpu; use float32{also}"
        raise ConfigError([Problem("runtime.dtype", what, runtime.dtype)])
    return device, _DTYPES[runtime.dtype]


def _device(name: str) -> torch.device:
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    device = torch.device(name)
    if not present[device.type] or (device.index or 0) >= max(1, torch.cuda.device_count()):
        have = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        have += [kind for kind in ("mps", "cpu") if present[kind]]
        raise ConfigError([Problem("runtime.device", f"this machine has {', '.join(have)}", name)])
    return device


class Moment:
    """A moment in a device's work: on cuda it comes later than Python's, which only queues the work."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._event: torch.cuda.Event | None = None
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._clock = 0.0

    def mark(self) -> None:
        """Let it be when all work that is queued by now is done."""
        if self._event is None:
            self._clock = time.perf_counter()
        else:
            self._event.record(torch.cuda.current_stream(self._device))

    def seconds_until(self, later: Moment) -> float:
        """Return the seconds between two moments; call :func:`synchronize` before."""
        if self._event is None or later._event is None:
            return later._clock - self._clock
        return float(self._event.elapsed_time(later._event)) / 1000


def synchronize(device: torch.device) -> None:
    """Wait for queued work, so that clocks tell the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
