"""The memory that a run's weights take, from their headers, against what the machine has. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from tcdflow.files.accelerator import on_cpu
from tcdflow.files.artifact import Artifacts
from tcdflow.spec.model import RunSpec

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_SCARCE = 0.1
_PRESSURES = (Path("/proc/pressure/memory"), Path("/sys/fs/cgroup/memory.pressure"))
_STALLED = 20.0
"""Percent of ten seconds in which some process had to wait for memory."""
_BYTES = {"float16": 2, "bfloat16": 2}


def warnings(spec: RunSpec, files: Artifacts) -> Iterator[str]:
    """Yield a warning if the weights alone take more memory than the machine has, where they are computed on its CPU.

    Args:
        spec: the run.
        files: its local files; what is absent is not counted.
    """
    dtype = spec.runtime.dtype if spec.runtime.dtype != "auto" else "float32"
    needed = files.weights * _BYTES.get(dtype, 4)
    there = machine_bytes()
    if there is not None and needed > there and on_cpu(spec.runtime):
        half = "" if dtype in _BYTES else "; runtime.dtype=bfloat16 takes half of that"
        yield f"the weights take {needed / 1e9:.1f} GB in {dtype}, and this machine has {there / 1e9:.1f} GB{half}"


@lru_cache(maxsize=1)
def machine_bytes() -> int | None:
    """Return the memory of this machine, or of the container that this process is in; None if it is not known."""
    known: list[int] = []
    with suppress(OSError, ValueError, AttributeError):
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # "max" is no number
        known.append(int(_CGROUP.read_text("ascii")))
    return min(known, default=None)


def is_short() -> bool:
    """Say whether this machine, or the container that this process is in, wants for memory: Linux tells."""
    sizes = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)}
    if sizes.get("MemAvailable", 1) < _SCARCE * sizes.get("MemTotal", 0):
        return True
    stalls = (re.search(r"^some avg10=([\d.]+)", _text(path)) for path in _PRESSURES)
    return any(found is not None and float(found[1]) > _STALLED for found in stalls)


def resident_bytes() -> int | None:
    """Return the memory that this process has now, if Linux tells."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", _text("/proc/self/status"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""
