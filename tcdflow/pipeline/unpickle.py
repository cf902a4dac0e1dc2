"""Converts pickled weights to safetensors before a library sees them: tensors are read, no code is run.

The safetensors are kept in ``unpickled/`` of tcdflow's cache, by the SHA-256 of the pickle. So every check that
safetensors go through holds for them too, and no loader is ever told to take a pickle.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.hashes import cache_dir, sha256_file
from tcdflow.files.model_index import read_json
from tcdflow.files.pickles import REFUSED, as_safetensors, is_pickle, is_pickles_index
from tcdflow.files.scratch import scratch
from tcdflow.text import reason


def without_pickles(artifacts: Artifacts) -> Artifacts:
    """Return artifacts in which safetensors of the same tensors stand in the place of pickles.

    Raises:
        ConfigError: if a pickle was not allowed, is damaged, or holds anything but tensors by name; one line.
        OutputError: if the cache cannot be written.
    """
    if not any(is_pickle(name) for part in artifacts for name in part.files):
        return artifacts
    return Artifacts.of(_readable(part) for part in artifacts)


def _readable(part: Artifact) -> Artifact:
    pickled = [name for name in part.files if is_pickle(name)]
    if not pickled:
        return part
    if not part.unpickle:
        raise _problem(part, f"{pickled[0]} is a pickle, {REFUSED}")
    with _one_line_os_errors():
        safe = {name: _converted(part, name) for name in pickled}
        if part.single:
            path = safe[part.files[0]]
            return replace(part, root=path.parent, files=(path.name,), unpickle=False, stamps=None)
        files = tuple(as_safetensors(name) if name in safe or is_pickles_index(name) else name for name in part.files)
        return replace(part, root=_folder(part, safe), files=files, unpickle=False, stamps=None)


def _converted(part: Artifact, name: str) -> Path:
    """Return the safetensors of one pickle."""
    path = part.root / name
    safe = _cache() / sha256_file(path) / as_safetensors(path.name)
    if not safe.is_file():
        tensors = _tensors(part, name)
        with _partial(safe) as partial:
            save_file(tensors, partial, metadata={"format": "pt"})
    return safe


def _tensors(part: Artifact, name: str) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(part.root / name, map_location="cpu", weights_only=True)
        while isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
            state = state["state_dict"]  # a training checkpoint, with the optimizer's state and more beside it
        tensors = dict(_flat(state))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # untrusted bytes: the unpickler and what it calls can raise anything
        raise _problem(part, f"{name} cannot be read as tensors and nothing else: {reason(error)}") from None
    if not tensors:
        raise _problem(part, f"{name} holds no tensor")
    return tensors


def _flat(state: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors by their dotted names, as diffusers writes what it has nested in a pickle."""
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise ValueError("tensors by name are needed")
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            # Of tied weights each has its own copy: safetensors share no memory.
            yield prefix + name, value.detach().clone(memory_format=torch.contiguous_format)
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")


def _folder(part: Artifact, safe: dict[str, Path]) -> Path:
    """Return a folder as the artifact's, with safetensors in it; what is safe already is linked."""
    hashes = [(name, sha256_file(part.root / name)) for name in part.files]
    digest = hashlib.sha256(repr((str(part.root), hashes)).encode("utf-8", "surrogateescape")).hexdigest()
    folder = _cache() / digest
    if not all(link.exists() for link in folder.rglob("*")):
        shutil.rmtree(folder)  # a link's target has moved
    if folder.is_dir():
        return folder
    with _partial(folder) as partial:
        for name in part.files:
            target = partial / as_safetensors(name) if name in safe or is_pickles_index(name) else partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if is_pickles_index(name):
                index = read_json(part.root / name)
                index["weight_map"] = {key: as_safetensors(file) for key, file in index["weight_map"].items()}
                target.write_text(json.dumps(index), "utf-8")
            else:
                target.symlink_to(safe.get(name, part.root / name).resolve())
    return folder


def _cache() -> Path:
    return cache_dir().absolute() / "unpickled"


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Give a path beside another that becomes it once all is written; what another process wrote meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path.parent) as beside:
        partial = beside / path.name
        yield partial
        try:
            partial.replace(path)
        except OSError:
            if not path.is_dir():  # which another process has made
                raise


@contextmanager
def _one_line_os_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{_cache()}: cannot be written: {error.strerror or error}; TCDFLOW_CACHE names another cache"
        raise OutputError(what) from error


def _problem(part: Artifact, what: str) -> ConfigError:
    return ConfigError([Problem(part.key, what, part.source)])
