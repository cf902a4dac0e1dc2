"""Input images in a script: loaded by diffusers' ``load_image`` where that gives the pixels that a run used.

It does not for what a person would see otherwise than it is stored: transparency, colour profiles, 16 bits. There the
image is taken that the run has kept of it, as it was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from tcdflow.errors import TcdflowError
from tcdflow.files.artifact import Artifact
from tcdflow.files.images import is_url
from tcdflow.inputs.decode import decode, opened
from tcdflow.inputs.fit import largest_cut
from tcdflow.inputs.mask import HALF
from tcdflow.record.document import InputImage
from tcdflow.record.pixels import frames_of, pixel_sha256
from tcdflow.spec.inputs import ImageUse, MaskUse, Size
from tcdflow.spec.script import Lines, cannot_write, literal
from tcdflow.text import one_line

_SHOWN = {"task.image": "image", "task.mask": "mask"}
"""What a run calls the input image of a role, where that does not follow from the role."""


@dataclass(frozen=True)
class Given:
    """The input images of a run as it used them.

    Attributes:
        folder: of the run.
        images: what its record says of them, by name.
    """

    folder: Path | None = None
    images: Mapping[str, InputImage] = field(default_factory=dict)

    def file(self, role: str) -> Path | None:
        """Return the file of an input image, if it is there and still what the run used."""
        parts = role.split(".")
        name = _SHOWN.get(role, f"reference_{parts[1]}" + (f"_{parts[3]}" if len(parts) > 3 else ""))
        found = self.images.get(name) or self.images.get(name.removesuffix("_0"))
        if self.folder is None or found is None:
            return None
        path = self.folder / found.file
        try:
            (image,) = frames_of(path)
            return path.resolve() if pixel_sha256(image) == found.pixel_sha256 else None
        except (OSError, ValueError, TcdflowError):
            return None


def load(file: Artifact, use: ImageUse, size: Size, given: Given, variable: str, lines: Lines) -> None:
    """Write what loads an image into a variable, as a run uses it.

    Args:
        file: the image.
        use: what is made of it.
        size: of the run in pixels, width first.
        given: what the run has kept.
        variable: its name.
        lines: gets it.

    Raises:
        ConfigError: if ``load_image`` reads it otherwise, and the run has not kept it.
    """
    origin = f"  # {one_line(repr(file.source))}" if is_url(file.source) else ""
    if isinstance(use, MaskUse) and use.channel == "alpha":
        lines.use("PIL", "Image", "ImageOps")
        opening = f"ImageOps.exif_transpose(Image.open({literal(str(file.path))}))"
        lines.inputs.append(f'{variable} = {opening}.convert("RGBA").getchannel("A"){origin}')
        shape = _shape(file.path)
    elif (plain := _plain(file.path, use)) is not None:
        lines.use("diffusers.utils", "load_image")
        lines.inputs.append(f"{variable} = load_image({literal(str(file.path))}){origin}")
        shape = plain.size
    elif (kept := given.file(use.role)) is not None:
        lines.use("diffusers.utils", "load_image")
        why = "as the run used it: load_image ignores colour profiles and what is transparent"
        lines.inputs.append(f"{variable} = load_image({literal(str(kept))})  # {why}")
        return
    else:
        what = "an image with transparency, a colour profile or more than 8 bits, of which no run directory is there,"
        raise cannot_write(use.role, what)
    _brought(use, shape, size, variable, lines)


def _plain(path: Path, use: ImageUse) -> Image.Image | None:
    """Return an image if ``load_image`` reads it as a run does."""
    seen = decode(path, use.behind, managed=not isinstance(use, MaskUse)).image
    with opened(path) as image:
        loaded = ImageOps.exif_transpose(image).convert("RGB")
    return seen if (seen.size, seen.tobytes()) == (loaded.size, loaded.tobytes()) else None


def _shape(path: Path) -> Size:
    with opened(path) as image:
        return ImageOps.exif_transpose(image).size


def _brought(use: ImageUse, shape: Size, size: Size, variable: str, lines: Lines) -> None:
    """Write what brings an image to the size of a run; of a mask, in black and white as it is asked for."""
    mask = use if isinstance(use, MaskUse) else None
    if mask and mask.threshold != HALF:
        hard = f"[0] * {mask.threshold} + [255] * {256 - mask.threshold}"
        lines.inputs.append(f'{variable} = {variable}.convert("L").point({hard})')
    target = size if use.side is None else (use.side, use.side)
    if use.side != 0 and use.fit != "none":
        if use.fit == "crop":
            lines.inputs.append(f"{variable} = {variable}.crop({largest_cut(shape, target)!r})")
        lines.inputs.append(f"{variable} = {variable}.resize({target!r})")
    if mask is None:
        return
    if mask.invert:
        lines.use("PIL", "ImageOps")
        lines.inputs.append(f"{variable} = ImageOps.invert({variable})")
    if mask.padding:
        lines.use("PIL", "ImageFilter")
        lines.inputs.append(f'{variable} = {variable}.convert("L").point([0] * {HALF} + [255] * {HALF})')
        for reach in ((mask.padding, 0), (0, mask.padding)):
            grown = f"{variable}.filter(ImageFilter.BoxBlur({reach!r})).point([0] + [255] * 255)"
            lines.inputs.append(f"{variable} = {grown}  # its white part grows")
    if mask.channel == "alpha" or mask.threshold != HALF or mask.padding:
        lines.inputs.append(f'{variable} = {variable}.convert("RGB")')
