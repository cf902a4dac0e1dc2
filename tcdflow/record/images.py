"""Images and animations as files: encoded with the recipe inside, and hashed as a file and as pixels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tcdflow.errors import OutputError
from tcdflow.record.atomic import write_bytes
from tcdflow.record.document import InputImage, Output, Sheet
from tcdflow.record.pixels import frames_sha256, pixel_sha256, plain
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import ANIMATION_FORMATS, IMAGE_FORMATS, Encoded, FileFormat, Texts
from tcdflow.spec.output import OutputSpec
from tcdflow.text import about, reason

SHEETS = "png"
"""Format of sheets and of the inputs of a run, which keeps every pixel."""


def save_image(sample: Sample, directory: Path, stem: str, output: OutputSpec, texts: Texts | None) -> Output:
    """Write one still atomically, in the format and quality asked for; other modes than RGB are written as RGB.

    Args:
        sample: the image.
        directory: where.
        stem: the file's name without suffix, e.g. ``000``.
        output: format and quality.
        texts: to put inside, or None to put in nothing. A recipe that the format cannot hold goes into a file of the
            same name that ends in ``.json``.

    Raises:
        OutputError: if it cannot be encoded or written.
    """
    format, rgb = IMAGE_FORMATS[output.format], plain(sample.frames[0])
    path = directory / (stem + format.suffix)
    encoded = _encoded(path, lambda: format.encode(rgb, texts, output.quality))
    written = [rgb] if format.lossless else _read_back(path, format, encoded)
    return _saved(path, sample, texts, encoded, written)


def save_animation(sample: Sample, directory: Path, stem: str, output: OutputSpec, texts: Texts | None) -> Output:
    """Write one animation atomically, as :func:`save_image` does.

    ``frames`` of the result counts those that the file stores: some formats keep equal neighbours as one that is
    shown longer.

    Raises:
        OutputError: if it cannot be encoded or written.
    """
    format, frames = ANIMATION_FORMATS[output.animation], [plain(frame) for frame in sample.frames]
    path = directory / (stem + format.suffix)
    encoded = _encoded(
        path, lambda: format.encode(frames, texts, fps=output.fps, loop=output.loop, quality=output.quality)
    )
    written = _read_back(path, format, encoded)
    return _saved(path, sample, texts, encoded, written).model_copy(update={"frames": len(written)})


def save_input(image: Image.Image, directory: Path, name: str, file: str) -> InputImage:
    """Write what a run was given as a plain RGB PNG, with nothing of what the original carried.

    Args:
        image: the image as it was used.
        directory: the run directory.
        name: what it is, e.g. ``mask`` or ``control_depth``.
        file: path below ``directory``.
    """
    rgb = plain(image)
    data = IMAGE_FORMATS[SHEETS].encode(rgb, None, 100).data
    write_bytes(directory / file, data)
    return InputImage(
        name=name,
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=pixel_sha256(rgb),
        width=rgb.width,
        height=rgb.height,
    )


def save_sheet(image: Image.Image, path: Path) -> Sheet:
    """Write a contact sheet as PNG."""
    data = IMAGE_FORMATS[SHEETS].encode(image, None, 100).data
    write_bytes(path, data)
    return Sheet(file=path.name, sha256=hashlib.sha256(data).hexdigest())


def _encoded(path: Path, encode: Callable[[], Encoded]) -> Encoded:
    try:
        return encode()
    except (OSError, ValueError) as error:
        raise OutputError(about(path, f"cannot be encoded: {reason(error)}")) from error


def _read_back(path: Path, format: FileFormat, encoded: Encoded) -> list[Image.Image]:
    try:
        return list(format.frames(io.BytesIO(encoded.data)))
    except (OSError, ValueError) as error:
        raise OutputError(about(path, f"what was encoded cannot be read back: {reason(error)}")) from error


def _saved(path: Path, sample: Sample, texts: Texts | None, encoded: Encoded, written: list[Image.Image]) -> Output:
    write_bytes(path, encoded.data)
    sidecar = None if texts is None or encoded.has_recipe else path.with_suffix(".json")
    if texts is not None and sidecar is not None:
        write_bytes(sidecar, texts.recipe.encode("utf-8"))
    return Output(
        file=path.name,
        sha256=hashlib.sha256(encoded.data).hexdigest(),
        pixel_sha256=frames_sha256(written),
        width=written[0].width,
        height=written[0].height,
        seed=sample.seed,
        sidecar=sidecar and sidecar.name,
    )
