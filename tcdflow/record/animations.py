"""Animations as files. The same frames give the same bytes; no date or program is written into them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tcdflow.record.embed import Carried, exif_and_xmp
from tcdflow.record.pixels import decoded
from tcdflow.spec.model import OutputSpec

SHORTEST_GIF_DELAY = 2
"""Hundredths of a second: viewers show a frame that asks for less ten hundredths long."""


def encode(
    frames: Sequence[Image.Image], output: OutputSpec, workplace: Path, carried: Carried | None
) -> tuple[bytes, list[Image.Image], bool]:
    """Return an animation's bytes, its frames as decoded from them, and whether the recipe is inside.

    Args:
        frames: RGB, all of one size.
        output: ``animation`` is the format. ``fps``: MP4 is exact, WebP counts in thousandths of a second and GIF in
            hundredths, with the rounding spread so that the whole lasts as long as it should; only above 50 frames
            a second a GIF is slower. ``loop``: MP4 leaves that to the player. ``quality``: of WebP, 100 is
            lossless. A GIF has at most 256 colours a frame, kept exactly if there are no more, else dithered.
        workplace: folder for ffmpeg's temporary file.
        carried: the texts to put inside, which only WebP can hold.

    Raises:
        OutputError: if ffmpeg is missing or fails.
    """
    if output.animation == "mp4":
        from tcdflow.record import mp4

        data, written = mp4.encode(frames, output.fps, workplace)
        return data, written, False
    if output.animation == "gif":
        data, inside = _gif(frames, output), False
    else:
        data, inside = _webp(frames, output, carried)
    return data, list(decoded(io.BytesIO(data))), inside


def delays(count: int, fps: int, units: int, least: int = 1) -> list[int]:
    """Return how long each frame is shown, in whole units, so that the sum is right to half a unit.

    Args:
        count: of frames.
        fps: frames a second.
        units: in a second.
        least: units that a frame is shown at the least, even if that makes the whole longer.
    """
    ends = [(2 * units * number + fps) // (2 * fps) for number in range(count + 1)]
    return [max(end - start, least) for start, end in itertools.pairwise(ends)]


def _gif(frames: Sequence[Image.Image], output: OutputSpec) -> bytes:
    indexed = [_indexed(frame) for frame in frames]
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[10 * delay for delay in delays(len(frames), output.fps, 100, SHORTEST_GIF_DELAY)],
        optimize=False,
        **({"loop": 0} if output.loop else {}),
    )
    return buffer.getvalue()


def _indexed(rgb: Image.Image) -> Image.Image:
    palette = rgb.quantize(256, method=Image.Quantize.MEDIANCUT)
    if rgb.getcolors(256) is not None:
        return palette
    dithered = rgb.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    dithered.info = {}
    return dithered


def _webp(frames: Sequence[Image.Image], output: OutputSpec, carried: Carried | None) -> tuple[bytes, bool]:
    texts, inside = exif_and_xmp(carried) if carried else ({}, False)
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=delays(len(frames), output.fps, 1000),
        loop=0 if output.loop else 1,
        lossless=output.quality == 100,
        quality=output.quality,
        method=4,
        **texts,
    )
    return buffer.getvalue(), inside
