"""Where encoded examples are kept."""

from __future__ import annotations

from pathlib import Path

from tcdflow.files.hashes import cache_dir


def of(key: str) -> Path:
    """Return where the tensors of a key are, or will be."""
    return cache_dir() / "distill" / key[:2] / f"{key}.safetensors"
