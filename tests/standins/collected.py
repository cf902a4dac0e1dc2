"""Images of a sweep without any run: collected, with files that are what their records tell."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.gallery.axes import Placed
from tcdflow.gallery.collect import Collected
from tcdflow.gallery.images import Shown
from tcdflow.gallery.runs import Run
from tcdflow.record.document import Output
from tcdflow.record.pixels import pixel_sha256
from tcdflow.record.settings import Settings


def collected(
    axes: Mapping[str, Sequence[Any]],
    folder: Path,
    *,
    size: tuple[int, int] = (8, 8),
    failed: Sequence[int] = (),
    missing: Sequence[int] = (),
) -> Collected:
    """Return a cell of one image for each combination of values; its sharpness is its number.

    Args:
        axes: values by key; keys with a comma vary together, and so are their values.
        folder: of the sweep.
        size: of the images; each has a colour of its own.
        failed: numbers of cells.
        missing: numbers of cells.
    """
    placed = [Placed(tuple(key.split(", ")), [one if "," in key else (one,) for one in axes[key]]) for key in axes]
    images = []
    for number, at in enumerate(itertools.product(*(range(len(axis.values)) for axis in placed))):
        values = {
            k: v for axis, n in zip(placed, at, strict=True) for k, v in zip(axis.keys, axis.values[n], strict=True)
        }
        where = folder / "cells" / f"{number:03d}"
        done = number not in failed and number not in missing
        output = a_file(where, number, size) if done else None
        status = "done" if done else "failed" if number in failed else "missing"
        settings = {"prompt": "a fox", "base.source": "embedded:emoji"} | values
        run = Run(
            where,
            status,  # type: ignore[arg-type]
            None if done else "out of luck" if number in failed else "not made yet",
            hashlib.sha256(repr(at).encode()).hexdigest(),
            Settings({key: json.dumps(value) for key, value in settings.items()}),
            tuple(f"{key}={value}" for key, value in values.items()),
            (output,) if output else (),
            {"sharpness": float(number)} if done else {},
            0.5 if done else None,
        )
        images.append(
            Shown(f"{number:016x}-0", run, 0, values.get("sampling.seed", 0), run.status, run.reason, output, at)
        )
    return Collected((folder,), "f" * 32, tuple(placed), tuple(images))


def colour(number: int) -> tuple[int, int, int]:
    return (40 + 7 * number % 200, 30 + 53 * number % 220, 250 - 31 * number % 240)


def a_file(where: Path, number: int, size: tuple[int, int]) -> Output:
    where.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour(number))
    image.save(where / "000.png")
    digest = hashlib.sha256((where / "000.png").read_bytes()).hexdigest()
    width, height = size
    return Output(
        file="000.png", sha256=digest, pixel_sha256=pixel_sha256(image), width=width, height=height, seed=number
    )
