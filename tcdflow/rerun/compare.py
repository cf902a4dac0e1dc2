"""How far two images, or two animations, are apart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.record.document import Output
from tcdflow.record.pixels import frames_of, frames_sha256
from tcdflow.rerun.source import Expected


@dataclass(frozen=True)
class Distance:
    """What differs, over all frames.

    Attributes:
        pixels: that differ in any colour.
        of: pixels in all.
        largest: difference of a colour value, of 255.
        mean: difference of all colour values.
        psnr: peak signal-to-noise ratio in dB.
    """

    pixels: int
    of: int
    largest: int
    mean: float
    psnr: float

    def __str__(self) -> str:
        share = f"{self.pixels} of {self.of} pixels ({100 * self.pixels / self.of:.2f} %)"
        return f"{share}, by at most {self.largest} of 255, on average {self.mean:.3g}; PSNR {self.psnr:.1f} dB"


@dataclass(frozen=True)
class Verdict:
    """What came of making one image again."""

    name: str
    identical: bool
    text: str


def compare(expected: Expected, now: Path, output: Output) -> Verdict:
    """Compare what was made again with what was recorded, and with the file itself where it exists.

    Args:
        expected: what was made then.
        now: the file that was made now.
        output: its entry in the new record.

    Raises:
        RecordError: if there is nothing to compare with, or the file cannot be decoded.
    """
    name = expected.file.name
    there = expected.file.is_file()
    if not there and expected.pixel_sha256 is None:
        raise RecordError(f"{expected.file}: there is no such file, and no record of its pixels")
    original = frames_sha256(frames_of(expected.file)) if there else expected.pixel_sha256
    recorded = expected.pixel_sha256 or original
    if output.pixel_sha256 == recorded == original:
        return Verdict(name, True, "identical")
    if output.pixel_sha256 == recorded:
        what = "made again as it was recorded, but the file has been changed since"
        return Verdict(name, False, f"{what}: {_apart(expected.file, now)}")
    if not there:
        return Verdict(name, False, "differs; how far is unknown without the image itself")
    if output.pixel_sha256 == original:
        return Verdict(name, False, "identical to the file, but not to what was recorded of its pixels")
    return Verdict(name, False, f"differs: {_apart(expected.file, now)}")


def distance(ones: Iterable[Image.Image], others: Iterable[Image.Image]) -> Distance | str:
    """Measure frames of equal size pairwise, or say why they cannot be measured."""
    pixels = of = largest = values = 0
    total = squares = 0.0
    for number, (one, other) in enumerate(zip_longest(ones, others)):
        if one is None or other is None:
            return f"one has {number} frame(s), the other more"
        if one.size != other.size:
            return f"{one.width}x{one.height} pixels then, {other.width}x{other.height} now"
        apart = np.abs(np.asarray(one.convert("RGB"), np.int16) - np.asarray(other.convert("RGB"), np.int16))
        pixels += int(apart.any(axis=2).sum())
        of += one.width * one.height
        largest = max(largest, int(apart.max()))
        values += apart.size
        total += float(apart.sum())
        squares += float((apart.astype(np.float64) ** 2).sum())
    psnr = 10 * math.log10(255**2 * values / squares) if squares else math.inf
    return Distance(pixels, of, largest, total / values if values else 0.0, psnr)


def _apart(one: Path, other: Path) -> str:
    return str(distance(frames_of(one), frames_of(other)))
