"""Images as files: encoded with the recipe inside, and hashed twice, as a file and as pixels."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.record.atomic import write_bytes
from tcdflow.record.document import InputImage, Output, Sheet
from tcdflow.record.embed import MAX_SEGMENT, Carried, exif_and_xmp, png_info
from tcdflow.record.pixels import decoded, frames_sha256, pixel_sha256, plain
from tcdflow.record.sample import Sample
from tcdflow.spec.model import OutputSpec

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def save_image(made: Sample, directory: Path, stem: str, output: OutputSpec, carried: Carried | None) -> Output:
    """Write one still atomically, in the format and quality asked for; other modes than RGB are written as RGB.

    Args:
        made: the image.
        directory: where.
        stem: the file's name without suffix, e.g. ``000``.
        output: format and quality. WebP of quality 100 is lossless, as PNG always is.
        carried: the texts to put inside, or None to put in nothing. A recipe that is too long for the format goes
            into a file of the same name that ends in ``.json``.

    Raises:
        OutputError: if it cannot be written.
    """
    rgb = plain(made.frames[0])
    path = directory / (stem + SUFFIXES[output.format])
    data, inside = _encoded(rgb, output, carried)
    written = rgb if output.format == "png" else next(decoded(io.BytesIO(data)))
    write_bytes(path, data)
    return Output(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=pixel_sha256(written),
        width=written.width,
        height=written.height,
        seed=made.seed,
        sidecar=None if carried is None or inside else save_sidecar(path, carried),
    )


def save_animation(made: Sample, directory: Path, stem: str, output: OutputSpec, carried: Carried | None) -> Output:
    """Write one animation atomically; see :mod:`tcdflow.record.animations` for what the formats can hold.

    ``frames`` of the result counts those that the file stores: GIF and WebP keep equal neighbours as one that is
    shown longer. GIF and MP4 have their recipe in a file of the same name that ends in ``.json``.

    Raises:
        OutputError: if it cannot be written.
    """
    from tcdflow.record import animations

    frames = [plain(frame) for frame in made.frames]
    path = directory / f"{stem}.{output.animation}"
    data, written, inside = animations.encode(frames, output, directory, carried)
    write_bytes(path, data)
    return Output(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=frames_sha256(written),
        width=written[0].width,
        height=written[0].height,
        seed=made.seed,
        frames=len(written),
        sidecar=None if carried is None or inside else save_sidecar(path, carried),
    )


def save_input(image: Image.Image, directory: Path, name: str, file: str) -> InputImage:
    """Write what a run was given as a plain RGB PNG, with nothing of what the original carried.

    Args:
        image: the image as it was used.
        directory: the run directory.
        name: what it is, e.g. ``mask`` or ``control_depth``.
        file: path below ``directory``.
    """
    rgb = plain(image)
    data = _png(rgb)
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
    data = _png(image)
    write_bytes(path, data)
    return Sheet(file=path.name, sha256=hashlib.sha256(data).hexdigest())


def save_sidecar(path: Path, carried: Carried) -> str:
    """Write the recipe beside an image and return the file's name."""
    sidecar = path.with_suffix(".json")
    write_bytes(sidecar, carried.recipe.encode("utf-8"))
    return sidecar.name


def _encoded(rgb: Image.Image, output: OutputSpec, carried: Carried | None) -> tuple[bytes, bool]:
    if output.format == "png":
        info, inside = png_info(carried) if carried else (None, False)
        return _png(rgb, pnginfo=info), inside
    jpeg = output.format == "jpeg"
    texts, inside = exif_and_xmp(carried, MAX_SEGMENT if jpeg else None) if carried else ({}, False)
    options: dict[str, Any] = {"quality": output.quality}
    if jpeg:
        # At high quality colours keep their full resolution too: halved, red edges are the first thing one sees.
        options |= {"subsampling": 0 if output.quality >= 90 else 2, "optimize": True}
    else:
        options |= {"lossless": output.quality == 100}
    buffer = io.BytesIO()
    rgb.save(buffer, format=output.format.upper(), **options, **texts)
    return buffer.getvalue(), inside


def _png(rgb: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    rgb.save(buffer, format="PNG", **options)
    return buffer.getvalue()
