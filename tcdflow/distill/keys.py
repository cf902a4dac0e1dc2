"""What examples are encoded from, as keys of the cache: known before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tcdflow.distill.example_file import source
from tcdflow.files.lock import LockedFile
from tcdflow.spec.data import Example
from tcdflow.spec.distill import DistillSpec

PER_CHUNK = 4
"""Examples that are encoded together. Their number changes bits, so it is not for users to set."""

_VERSION = 1


@dataclass(frozen=True)
class Chunk:
    """Examples that are encoded together.

    Attributes:
        examples: up to :data:`PER_CHUNK` of them.
        key: hash of all that they are encoded from.
    """

    examples: Sequence[Example]
    key: str


def chunks(spec: DistillSpec, lock: Sequence[LockedFile], examples: Sequence[Example]) -> Iterator[Chunk]:
    """Yield the examples, a few at a time.

    Raises:
        OSError: if an image cannot be read.
    """
    sampling = spec.data.model_dump(mode="json", include={"kind", "steps", "guidance_scale"})
    yield from _chunks(_settings(spec, lock, sampling), examples)


def validation(spec: DistillSpec, lock: Sequence[LockedFile], examples: Sequence[Example]) -> Iterator[Chunk]:
    """Yield what the teacher draws for validations, a few at a time."""
    steps, guidance_scale = spec.distill.validation.teacher_steps, spec.distill.validation_guidance
    sampling = {"kind": "teacher", "steps": steps, "guidance_scale": guidance_scale}
    yield from _chunks(_settings(spec, lock, sampling), examples)


def _chunks(how: dict[str, Any], examples: Sequence[Example]) -> Iterator[Chunk]:
    for start in range(0, len(examples), PER_CHUNK):
        some = examples[start : start + PER_CHUNK]
        yield Chunk(some, _hash([how, [[one.caption, source(one)] for one in some]]))


def unconditional(spec: DistillSpec, lock: Sequence[LockedFile]) -> str:
    """Return the key of the embeddings of no prompt."""
    sampling = spec.data.model_dump(mode="json", include={"kind", "steps", "guidance_scale"})
    return _hash([_settings(spec, lock, sampling), None])


def data_hash(found: Sequence[Chunk]) -> str:
    """Return one hash over captions, images and how they are encoded."""
    return _hash([chunk.key for chunk in found])


def _settings(spec: DistillSpec, lock: Sequence[LockedFile], sampling: dict[str, Any]) -> dict[str, Any]:
    files = sorted((file.role, file.file, file.sha256) for file in lock)
    return {"version": _VERSION, "files": files, "size": spec.base.size, "sampling": sampling}


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
