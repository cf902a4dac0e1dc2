"""What is encoded once: latents and embeddings of examples in float32, kept by the hash of what they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tcdflow.distill import cache_place
from tcdflow.errors import OutputError
from tcdflow.files.hashes import cache_dir, sha256_file
from tcdflow.files.scratch import scratch

Tensors = dict[str, Tensor]


def kept(key: str, make: Callable[[], Tensors]) -> Path:
    """Return the file of a key, made if it is not there.

    Args:
        key: hash of what they come from, of :mod:`.keys`.
        make: returns the tensors.

    Raises:
        OutputError: if it cannot be written.
    """
    place = cache_place.of(key)
    if not place.is_file():
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in make().items()}
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with scratch(cache_dir()) as folder:
                save_file(tensors, folder / "whole")
                (folder / "whole").replace(place)
        except OSError as error:
            raise OutputError.of(place, error) from error
        except SafetensorError as error:  # which wraps a full disk
            raise OutputError(f"{place}: cannot be written: {error}") from error
    return place


def read(place: Path, row: int) -> Tensors:
    """Return one row of each tensor of a file, with a batch dimension of 1, as memory of its own."""
    with safe_open(place, framework="pt") as file:
        return {name: file.get_slice(name)[row : row + 1].clone() for name in file.keys()}  # noqa: SIM118


def digest(places: list[Path]) -> str:
    """Return one hash over the bytes of files."""
    return hashlib.sha256("".join(map(sha256_file, places)).encode("ascii")).hexdigest()
