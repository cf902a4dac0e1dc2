"""Pictures as files: encoded with the recipe inside, and hashed twice, as a file and as pixels."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tcdflow._version import __version__
from tcdflow.artifacts.lock import LockedFile
from tcdflow.record.a1111 import parameters
from tcdflow.record.atomic import write_bytes
from tcdflow.record.document import Output
from tcdflow.spec.model import RunSpec

CHUNK = "tcdflow"
"""Keyword of the compressed iTXt chunk with spec and lock."""


def save_png(
    image: Image.Image, path: Path, *, seed: int, recipe: tuple[RunSpec, Sequence[LockedFile]] | None
) -> Output:
    """Write one PNG atomically.

    Args:
        image: the picture; other modes are written as RGB.
        path: where, with a plain file name.
        seed: of its noise.
        recipe: spec and lock to put inside, or None to put in nothing.
    """
    rgb = image.convert("RGB")
    info = PngInfo()
    if recipe is not None:
        spec, lock = recipe
        info.add_text("parameters", parameters(spec, lock, seed))
        info.add_itxt(CHUNK, recipe_json(spec, lock, seed), zip=True)
    buffer = io.BytesIO()
    rgb.save(buffer, format="PNG", pnginfo=info)
    data = buffer.getvalue()
    write_bytes(path, data)
    return Output(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=pixel_sha256(rgb),
        width=rgb.width,
        height=rgb.height,
        seed=seed,
    )


def recipe_json(spec: RunSpec, lock: Sequence[LockedFile], seed: int) -> str:
    """Return what a picture carries: enough to make it again, alone."""
    content = {
        "schema_version": 1,
        "tcdflow": __version__,
        "seed": seed,
        "spec": spec.model_dump(mode="json"),
        "lock": [file.model_dump(mode="json") for file in lock],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def pixel_sha256(image: Image.Image) -> str:
    """Return the hex SHA-256 of the RGB bytes, row by row: equal for equal pixels, whatever the file format."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
