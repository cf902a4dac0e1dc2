"""Whether a run will compute in half precision, guessed without torch.

The guess chooses between weight files of the same model, full or half precision, before torch is imported; what is
computed in is decided by torch later. A wrong guess costs a download or a conversion, and nothing else.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tcdflow.spec.model import RuntimeSpec

DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/dxg", "/dev/kfd")
"""What CUDA's or ROCm's driver leaves in a file system: on Linux, in containers, and under Windows (dxg)."""


_CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What Linux calls such instructions: those of Intel and AMD, and ARM's."""


def computes_in_half(runtime: RuntimeSpec) -> bool:
    """Say whether a run computes in half precision, as far as its settings and a look at the machine tell."""
    if runtime.dtype != "auto":
        return runtime.dtype in ("float16", "bfloat16")
    if runtime.device != "auto":
        return runtime.device != "cpu"
    return _has_cuda() or _has_mps()


def computes_on_cuda(runtime: RuntimeSpec) -> bool:
    """Say whether a run computes on cuda, as far as its settings, the machine and torch's version tell."""
    if runtime.device != "auto":
        return runtime.device.partition(":")[0] == "cuda"
    return _has_cuda() and not version("torch").endswith("+cpu")


def missing_device(runtime: RuntimeSpec) -> str | None:
    """Say that the device of a run is not on this machine, as far as a look at it tells; None if it is."""
    kind = runtime.device.partition(":")[0]
    there = {"cuda": _has_cuda, "mps": _has_mps}
    if kind not in there or there[kind]():
        return None
    what = "no such device is seen on this machine; runtime.device=auto takes what is there"
    return f"runtime.device={runtime.device}: {what}"


def on_cpu(runtime: RuntimeSpec) -> bool:
    """Say whether a run computes on the CPU, as far as its settings and a look at the machine tell."""
    return runtime.device == "cpu" or (runtime.device == "auto" and not (_has_cuda() or _has_mps()))


def slow_on_cpu(runtime: RuntimeSpec) -> str | None:
    """Say that this CPU computes a run's dtype without instructions for it, many times as slowly as float32."""
    if runtime.dtype != "bfloat16" or not on_cpu(runtime) or cpu_has_bfloat16() is not False:
        return None
    return (
        "runtime.dtype=bfloat16: this CPU has no instructions for it (avx512_bf16, amx_bf16), and takes many times as "
        "long as for float32"
    )


@cache
def cpu_has_bfloat16() -> bool | None:
    """Say whether the CPU has instructions for bfloat16; None where the system does not tell."""
    try:
        text = _CPUINFO.read_text("utf-8", "replace")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.startswith(("flags", "Features"))]
    if not lines:
        return None
    return not _BFLOAT16.isdisjoint(lines[0].split())


def _has_cuda() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    drivers = [Path(name) for name in DRIVERS]
    if sys.platform == "win32":
        drivers = [Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32", "nvcuda.dll")]
    return any(driver.exists() for driver in drivers)


def _has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
