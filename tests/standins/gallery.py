"""The data of a gallery page without any run: a product of axes, with images that tell them apart."""

from __future__ import annotations

import colorsys
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.gallery.data import Axis, Cell, Data

AXES: Mapping[str, Sequence[Any]] = {
    "prompt": ["a fox", 'a "panda" for $5', "줄\n바꿈", "شجرة"],
    "sampling.eta": [0.0, 0.5, 1.0],
    "sampling.steps": [2, 4],
    "sampling.seed": [0, 1],
}
COMMON = {"negative_prompt": "", "base.source": "embedded:emoji", "sampling.guidance_scale": 0.0, "loras.tcd.weight": 1}
FAILURE = "RuntimeError: </script><img src=x onerror=alert(1)>"


def data(
    axes: Mapping[str, Sequence[Any]] = AXES,
    folder: Path | None = None,
    *,
    side: int = 64,
    failed: int | None = None,
    missing: int | None = None,
    running: bool = False,
) -> Data:
    """Return a page's data.

    Args:
        axes: the values of each key; a cell for each combination.
        folder: where to write the images, one for each combination of the first two axes; without it none is there.
        side: of the images, in pixels.
        failed: every so many-th cell has failed.
        missing: every so many-th cell is not there.
        running: whether a sweep is under way.
    """
    texts: dict[str, int] = {}

    def text(value: str) -> int:
        return texts.setdefault(value, len(texts))

    def cell(number: int, at: tuple[int, ...]) -> Cell:
        values = {key: axes[key][place] for key, place in zip(axes, at, strict=True)}
        lost = bool(missing and number % missing == 1)
        bad = bool(failed and number % failed == 0) and not lost
        there = not (lost or bad)
        seed = values.get("sampling.seed", 0)
        file = f"images/{at[0] if at else 0}-{at[1] if len(at) > 1 else 0}"
        return Cell(
            id=f"{hashlib.sha256(repr(at).encode()).hexdigest()[:16]}-0",
            name=f"cells/{number:03d}_seed={seed}",
            at=list(at),
            status="missing" if lost else "failed" if bad else "done",
            reason=FAILURE if bad else "not made yet" if lost else None,
            file=f"{file}.png" if there else None,
            thumb=f"{file}.webp" if there else None,
            video=False,
            frames=None,
            width=side if there else None,
            height=side if there else None,
            seed=seed,
            seconds=0.25 + number % 7 / 10 if there else None,
            metrics={"sharpness": float(number % 11) * 10, "complexity": 1 / (1 + number)} if there else {},
            set={key: text(json.dumps(value, ensure_ascii=False)) for key, value in values.items()},
            overrides=[text(f"{key}={value}") for key, value in values.items()],
            image=0,
            again=True,
        )

    cells = [cell(n, at) for n, at in enumerate(itertools.product(*(range(len(values)) for values in axes.values())))]
    if folder is not None:
        _draw(folder, {one["file"] for one in cells if one["file"]}, side)
    return Data(
        version=1,
        title="demo",
        id=hashlib.sha256(repr(sorted(axes)).encode()).hexdigest()[:32],
        root="outputs/sweeps/demo",
        written="2026-11-27T12:00:00.000+00:00",
        running=running,
        axes=[_axis(key, values) for key, values in axes.items()],
        metrics=[
            {"name": "sharpness", "description": "variance of the Laplacian", "better": "high"},
            {"name": "complexity", "description": "compressed bytes a pixel", "better": None},
        ],
        common={key: text(json.dumps(value)) for key, value in COMMON.items()},
        head=text("# @package _global_\ndefaults:\n  - override /loras: []\n"),
        cells=cells,
        texts=list(texts),
        ratings={},
        choices=[],
    )


def page_data(page: Path) -> Data:
    """Return the data that a page was written with."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    read: Data = json.loads(found[1])
    return read


def _axis(key: str, values: Sequence[Any]) -> Axis:
    numeric = all(isinstance(value, int | float) for value in values)
    shown = [{"text": str(value), "number": float(value) if numeric else None} for value in values]
    return {"key": key, "numeric": numeric, "values": shown}  # type: ignore[typeddict-item]


def _draw(folder: Path, files: set[str], side: int) -> None:
    for number, file in enumerate(sorted(files)):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(number * 0.618 % 1, 0.6, 0.9))
        image = Image.new("RGB", (side, side), colour)
        image.paste((20, 20, 30), (side // 4, side // 4, side // 2, side // 2 + number % (side // 4)))
        image.save(path)
        image.resize((192, 192)).save(path.with_suffix(".webp"))
