"""The recipe that an image carries: enough to rerun it alone. One that is read back is untrusted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from tcdflow._version import __version__
from tcdflow.files.lock import LockedFile
from tcdflow.record.a1111 import parameters
from tcdflow.spec.batch import Batch
from tcdflow.spec.formats import MAX_RECIPE, Texts
from tcdflow.spec.model import RunSpec
from tcdflow.spec.types import MAX_SEED


class Recipe(BaseModel):
    """What the text holds; ``spec`` is checked as a spec by whoever runs it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1]
    tcdflow: str = Field(max_length=64)
    seed: int = Field(ge=0, le=MAX_SEED)
    spec: dict[str, Any]
    lock: Annotated[list[LockedFile], Field(max_length=10_000)]
    batch: Batch | None = None


def texts_of(spec: RunSpec, lock: Sequence[LockedFile], seed: int, batch: Batch | None = None) -> Texts:
    """Return what the image of one seed of a run carries, with what it shared its call with."""
    return Texts(parameters(spec, lock, seed), recipe_json(spec, lock, seed, batch))


def recipe_json(spec: RunSpec, lock: Sequence[LockedFile], seed: int, batch: Batch | None = None) -> str:
    """Return spec, lock, seed and batch as one line of JSON. No date and no name of the machine is in it."""
    parts = {
        "schema_version": "1",
        "tcdflow": _text(__version__),
        "seed": _text(seed),
        "spec": _text(spec.model_dump(mode="json")),
        "lock": _lock_text(tuple(lock)),
    }
    if batch is not None:
        parts["batch"] = _text(batch.model_dump(mode="json"))
    return "{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}"


@lru_cache(maxsize=64)  # the same for many images of a sweep
def _lock_text(lock: tuple[LockedFile, ...]) -> str:
    return _text([file.model_dump(mode="json") for file in lock])


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse(text: bytes) -> dict[str, Any]:
    """Return a recipe as plain data: keys ``schema_version``, ``tcdflow``, ``seed``, ``spec``, ``lock`` and ``batch``.

    Raises:
        ValueError: if it is none; the message is short but not cleaned of control characters.
    """
    if len(text) > MAX_RECIPE:
        raise ValueError(f"is larger than {MAX_RECIPE} bytes")
    # pydantic's own parser: it has a limit on depth, and knows no NaN unless asked.
    plain = from_json(text, allow_inf_nan=False, cache_strings="none")
    try:
        return Recipe.model_validate(plain).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "it"
        raise ValueError(f"is not a recipe of schema 1: {where}: {first['msg']}") from None
