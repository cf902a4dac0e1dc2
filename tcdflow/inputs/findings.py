"""What of a run's input images is probably not meant, told before anything heavy is loaded.

Headers tell most of it. Pixels are decoded only for masks, transparency and deep images, once for each file and size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePath

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.artifact import Artifacts
from tcdflow.files.image_header import check_image
from tcdflow.files.stamp import Stamp
from tcdflow.inputs import decode
from tcdflow.inputs.mask import HALF, mask, values
from tcdflow.spec.inputs import ImageUse, MaskUse, Size
from tcdflow.spec.model import RunSpec
from tcdflow.text import printable, shortened

_ASPECT = 0.02
"""Change of an aspect from which on it is seen."""

_ENLARGED = 2.0
_DARK = 32
"""Greys, of 256, that are black or white enough for a drawing of lines."""

_LINES, _LINE, _MOST_LINES = 0.95, 0.002, 0.25
"""Shares of the pixels of such a drawing: black or white, and least and most in its lines."""

_GREY = 0.1
"""Share of a mask's pixels that may be neither black nor white, as edges are."""

_IN_ALPHA = "there are strokes in its alpha channel, which task.mask_from=alpha takes (with mask_invert what is clear)"
_REMEMBERED = 4096


def warnings(spec: RunSpec, artifacts: Artifacts) -> Iterator[str]:
    """Yield the warnings about a run's input images.

    Args:
        spec: of the run, its size resolved.
        artifacts: its files; input images are always on this machine.
    """
    size = spec.width, spec.height
    for use in spec.image_uses():
        with suppress(SourceError, OSError):  # whoever loads it says what is wrong with it
            file = artifacts.by_role[use.role]
            yield from (f"{use.role} {note}" for note in of_image(file.path, use, size, file.source))
            if isinstance(use, MaskUse):
                yield from _of_itself(use, file.path, artifacts)


def of_image(path: Path, use: ImageUse, size: Size, source: str | None = None) -> tuple[str, ...]:
    """Return what is to be told of one image: continuations of a sentence that begins with its role.

    Args:
        path: of its file.
        use: what a run makes of it.
        size: of the run in pixels, width first.
        source: what its user calls it; None is its path.

    Raises:
        SourceError: if it cannot be read.
    """
    name = printable(shortened(PurePath(source or path).name, 60))
    return _of_file(path, Stamp.of(path), name, use, size)


def _of_itself(use: MaskUse, path: Path, artifacts: Artifacts) -> Iterator[str]:
    """Yield that a mask is the image itself and selects other than what is transparent in it."""
    image = artifacts.by_role.get("task.image")
    if image is None or image.path != path or (use.channel == "alpha" and use.invert) or not decode.has_alpha(path):
        return
    what = "what is opaque in it" if use.channel == "alpha" else "what is bright in it"
    yield (
        f"{use.role} is the image itself and selects {what}; task.mask_from=alpha task.mask_invert=true selects what "
        "is transparent"
    )


def check_masks(spec: RunSpec, artifacts: Artifacts) -> None:
    """Refuse masks that are to be read from an alpha channel that they have not got.

    Raises:
        ConfigError: naming each.
    """
    problems = []
    for use in spec.image_uses():
        if isinstance(use, MaskUse) and use.channel == "alpha":
            file = artifacts.by_role[use.role]
            if not decode.has_alpha(file.path):
                what = f"{file.source} has no transparency; write luminance"
                problems.append(Problem(f"{use.role}_from", what, use.channel))
    if problems:
        raise ConfigError(problems)


@lru_cache(maxsize=_REMEMBERED)
def _of_file(path: Path, stamp: Stamp, name: str, use: ImageUse, size: Size) -> tuple[str, ...]:
    """Return what is to be told of a file; its name is left out where many files of a sweep have the same to tell."""
    if isinstance(use, MaskUse):
        seen = decode.notes(path, use.behind, managed=False) if use.channel == "luminance" else ()
        return tuple(f"({name}) {note}" for note in (*seen, *_of_mask(path, use, size)))
    notes = (f"({name}) {note}" for note in decode.notes(path, use.behind))
    lines = (f"({name}) {note}" for note in _of_lines(path, use)) if use.ground else ()
    return (*notes, *lines, *_of_size(check_image(path), use, size))


def _of_size(own: Size, use: ImageUse, size: Size) -> Iterator[str]:
    """Yield what bringing an image to its size does to it."""
    if use.unfitted:
        return
    if use.side == 0:
        yield from _of_square(own, use)
        return
    (width, height), (wide, high) = own, (use.side, use.side) if use.side else size
    sizes = f"from {width} x {height} to {wide} x {high} pixels"
    change = (wide * height) / (high * width)
    if use.fit == "resize" and not 1 / (1 + _ASPECT) <= change <= 1 + _ASPECT:
        how = f"{abs(change - 1):.0%}".replace("%", " %") + (" wider" if change > 1 else " narrower")
        instead = f"{use.fit_key}=crop cuts it instead, sampling.width=aspect sampling.height=aspect keeps its shape"
        if use.side:
            instead = f"{use.fit_key}=null reads its middle square instead"
        yield f"is stretched {sizes}, {how}; {instead}"
    larger = max(wide / width, high / height)
    if larger > _ENLARGED:
        yield f"is enlarged {larger:.2g} times, {sizes}, and comes out soft"


def _of_square(own: Size, use: ImageUse) -> Iterator[str]:
    """Yield what a model that reads squares does not see of an image."""
    short, long = sorted(own)
    if (lost := 1 - short / long) > _ASPECT:
        where = "at its left and right" if own[0] == long else "at its top and bottom"
        yield (
            f"has {own[0]} x {own[1]} pixels, and the image encoder reads its middle square: {decode.percent(lost)}, "
            f"{where}, is cut off; {use.fit_key}=512 stretches it instead"
        )


def _of_lines(path: Path, use: ImageUse) -> Iterator[str]:
    """Yield that a drawing of lines has the ground that makes nothing of it."""
    histogram = decode.decode(path, use.behind).image.convert("L").histogram()
    total, dark, light = sum(histogram), sum(histogram[:_DARK]), sum(histogram[-_DARK:])
    ground = "white" if light > dark else "black"
    if dark + light < _LINES * total or not _LINE * total < min(dark, light) < _MOST_LINES * total:
        return
    key = f"{use.role.removesuffix('.image')}.preprocessor"
    if ground == "white" and use.ground == "black":
        yield f"is dark lines on white; ControlNets of lines read white on black, which {key}.name=invert makes of it"
    elif ground == "black" and use.ground == "white":
        yield f"is white lines on black already; {key}=null takes them as they are"


def _of_mask(path: Path, use: MaskUse, size: Size) -> Iterator[str]:
    """Yield what a mask selects, if that is nothing, everything or arbitrary."""
    histogram = mask(path, use, size).convert("L").histogram()
    total, selected = sum(histogram), sum(histogram[HALF:])
    if selected in (0, total):
        what = "nothing, so that nothing is repainted" if not selected else "everything, so that all is repainted"
        yield f"selects {what}: {_looks(path, use)}"
    elif sum(histogram[HALF // 4 : -HALF // 4]) > _GREY * total:
        share = decode.percent(selected / total)
        what = f"has many greys; those from task.mask_threshold={use.threshold} on are repainted, {share} of the image"
        yield what + (f"; {_IN_ALPHA}" if use.channel != "alpha" and _has_strokes_in_alpha(path) else "")


def _looks(path: Path, use: MaskUse) -> str:
    """Say what the file of a mask holds, and what to write to have it mean something."""
    low, high = (int(value) for value in values(path, use).convert("L").getextrema())  # type: ignore[arg-type]
    whose = "its alpha channel" if use.channel == "alpha" else "it"
    facts = f"{whose} is {low} of 255 all over" if low == high else f"{whose} goes from {low} to {high} of 255"
    if use.channel == "alpha":
        return f"{facts}; task.mask_from=luminance takes its brightness"
    if _has_strokes_in_alpha(path):
        return f"{facts}; {_IN_ALPHA}"
    if low == high:
        return facts
    if high < use.threshold:
        return f"{facts}, as in a mask of {high} for white: task.mask_threshold={low + 1} takes all above the darkest"
    if low < use.threshold:
        return f"{facts}; what it selects is too thin for the run's size"
    return f"{facts}, all of which is white; task.mask_threshold={high} takes the brightest alone"


def _has_strokes_in_alpha(path: Path) -> bool:
    clear, opaque = decode.alpha(path).getextrema()
    return clear != opaque
