"""The environment of a run: versions and settings that can change bits. No name of the machine or its user."""

from __future__ import annotations

import functools
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tcdflow._version import __version__

PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "numpy", "pillow")


def versions() -> dict[str, Any]:
    """Return the versions of python and of the packages that make the pixels."""
    return {
        "tcdflow": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "packages": dict(_installed()),
    }


@functools.cache  # looking them up takes 5 ms, and they don't change under a running process
def _installed() -> tuple[tuple[str, str], ...]:
    found = []
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)
