"""Images and animations as files: encoded with the recipe inside, and hashed as a file and as pixels."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from PIL import Image

from tcdflow.errors import OutputError
from tcdflow.files.hashes import has_hash
from tcdflow.record.atomic import write_bytes
from tcdflow.record.document import InputImage, Output, Sheet
from tcdflow.record.pixels import frames_sha256, pixel_sha256, plain
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import ANIMATION_FORMATS, IMAGE_FORMATS, Encoded, FileFormat, Texts
from tcdflow.spec.output import OutputSpec
from tcdflow.text import about, reason

SHEETS = "png"
"""Format of sheets and of the inputs of a run, which keeps every pixel."""
SIDECAR = ".json"


def save_image(
    sample: Sample,
    directory: Path,
    stem: str,
    output: OutputSpec,
    texts: Texts | None,
    taken: Collection[str] | None = None,
) -> Output:
    """Write one still atomically, in the format and quality asked for; other modes than RGB are written as RGB.

    Args:
        sample: the image.
        directory: where.
        stem: the file's name without suffix, e.g. ``000``.
        output: format and quality.
        texts: to put inside, or None to put in nothing. A recipe that the format cannot hold goes into a file of the
            same name that ends in ``.json``.
        taken: names of files that a number is added for, as it is for any file there that holds something else. None
            writes over what is there.

    Raises:
        OutputError: if it cannot be encoded or written.
    """
    format, rgb = IMAGE_FORMATS[output.format], plain(sample.frames[0])
    path = directory / (stem + format.suffix)
    encoded = _encoded(path, lambda: format.encode(rgb, texts, output.quality))
    written = [rgb] if format.lossless else _read_back(path, format, encoded)
    return _saved(path, sample, texts, encoded, written, taken)


def save_animation(
    sample: Sample,
    directory: Path,
    stem: str,
    output: OutputSpec,
    texts: Texts | None,
    taken: Collection[str] | None = None,
) -> Output:
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
    return _saved(path, sample, texts, encoded, written, taken).model_copy(update={"frames": len(written)})


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


def _saved(
    path: Path,
    sample: Sample,
    texts: Texts | None,
    encoded: Encoded,
    written: list[Image.Image],
    taken: Collection[str] | None,
) -> Output:
    sidecar = texts.recipe.encode("utf-8") if texts is not None and not encoded.has_recipe else None
    digest = hashlib.sha256(encoded.data).hexdigest()
    if taken is not None:
        beside = {SIDECAR: hashlib.sha256(sidecar).hexdigest()} if sidecar is not None else {}
        path = _free(path, {path.suffix: digest, **beside}, taken)
    write_bytes(path, encoded.data)
    if sidecar is not None:
        write_bytes(path.with_suffix(SIDECAR), sidecar)
    return Output(
        file=path.name,
        sha256=digest,
        pixel_sha256=frames_sha256(written),
        width=written[0].width,
        height=written[0].height,
        seed=sample.seed,
        sidecar=path.with_suffix(SIDECAR).name if sidecar is not None else None,
    )


def _free(path: Path, hashes: Mapping[str, str], taken: Collection[str]) -> Path:
    """Return a path that is nobody else's file: not there, or left there, as it is to be, by a process that was killed.

    Args:
        path: as it is without a number.
        hashes: of what is to be written, by suffix.
        taken: names that are not to be given.
    """
    stems = itertools.chain([path.stem], (f"{path.stem}-{number}" for number in itertools.count(2)))
    paths = (path.with_name(stem + path.suffix) for stem in stems)
    return next(one for one in paths if one.name not in taken and _is_free(one, hashes))


def _is_free(path: Path, hashes: Mapping[str, str]) -> bool:
    files = (path, path.with_suffix(SIDECAR))
    return all(not os.path.lexists(file) or has_hash(file, hashes.get(file.suffix, "")) for file in files)
