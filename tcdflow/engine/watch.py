"""Measures a run: UNet calls, timesteps, seconds by stage, peak memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import torch

from tcdflow.pipeline.device import Moment, synchronize


class Stopwatch:
    """Adds up seconds by stage.

    Args:
        device: that computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block, work queued on the device included."""
        start = time.perf_counter()
        try:
            yield
        finally:
            synchronize(self._device)
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


class DenoiserWatch:
    """Sees, while open, each call of a UNet: the timesteps it was given, and when the last one ended.

    Args:
        unet: whose calls.
        device: where it computes.
    """

    def __init__(self, unet: torch.nn.Module, device: torch.device) -> None:
        self._unet = unet
        self._timesteps: list[Any] = []
        self.last_end = Moment(device)

    def __enter__(self) -> Self:
        self._handles = [
            self._unet.register_forward_pre_hook(self._before, with_kwargs=True),
            self._unet.register_forward_hook(self._after),
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def take(self) -> tuple[float, ...]:
        """Return the timestep of each call since the last time, in order."""
        seen = tuple(round(float(torch.as_tensor(t).flatten()[0]), 6) for t in self._timesteps)
        self._timesteps.clear()
        return seen

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._timesteps.append(args[1] if len(args) > 1 else kwargs["timestep"])

    def _after(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        self.last_end.mark()


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: of the process on a CPU, of torch's allocator on CUDA."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
