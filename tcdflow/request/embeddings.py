"""Textual inversion embeddings of a run, held against its base's text encoders before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tcdflow.errors import Problem, SourceError
from tcdflow.files import embedding
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.safetensors_header import read_header
from tcdflow.spec.model import RunSpec


def problems(spec: RunSpec, files: Artifacts) -> Iterator[Problem]:
    """Yield each embedding that does not fit the base, as far as its file is here."""
    widths = _widths(spec, files) if spec.embeddings else None
    for name, own in spec.embeddings.items():
        artifact = files.by_role[f"embeddings.{name}"]
        if widths is None or artifact.absent:
            continue
        try:
            embedding.names(read_header(artifact.path).shapes, widths)
        except SourceError as error:
            yield Problem(f"embeddings.{name}.source", str(error), own.source)


def counts(spec: RunSpec, files: Artifacts) -> dict[str, int]:
    """Return the number of vectors of each embedding by its name, where its file is here."""
    found: dict[str, int] = {}
    for name in spec.embeddings:
        artifact = files.by_role[f"embeddings.{name}"]
        if not artifact.absent:
            found[name] = max(
                (embedding.count(shape) for shape in read_header(artifact.path).shapes.values()), default=1
            )
    return found


def _widths(spec: RunSpec, files: Artifacts) -> list[int] | None:
    """Return the widths of the base's token embeddings; None if its configs do not tell."""
    base = files.base_config or files.base
    configs = [name.replace("tokenizer", "text_encoder") + "/config.json" for name in spec.family.tokenizers]
    try:
        return [_width(base, name) for name in configs]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _width(base: Artifact, name: str) -> int:
    path = base.root / name
    return _read_width(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _read_width(path: Path, stamp: int) -> int:
    return int(json.loads(path.read_text("utf-8"))["hidden_size"])
