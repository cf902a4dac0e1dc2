"""``images.csv`` and ``images.jsonl``: a row an image, with all that one needs to go on with it elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tcdflow.gallery.data import Cell, Data
from tcdflow.gallery.images import Shown
from tcdflow.gallery.ratings import Ratings
from tcdflow.record import table
from tcdflow.record.settings import sound

STEM = "images"


def write(directory: Path, data: Data, images: Sequence[Shown], ratings: Ratings) -> None:
    """Write both files.

    Args:
        directory: where.
        data: of the page there.
        images: that its cells are of.
        ratings: of them.

    Raises:
        OutputError: if they cannot be written.
    """
    table.write(directory, STEM, *rows(data, images, ratings))


def rows(data: Data, images: Sequence[Shown], ratings: Ratings) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the columns, and a row for each image.

    Args:
        data: of the page.
        images: that its cells are of.
        ratings: of them.
    """
    names = [metric["name"] for metric in data["metrics"] if metric["name"] not in _FIRST]
    keys = [key for axis in data["axes"] for key in axis["key"].split(", ")]
    chosen, compared = ratings.counts()
    found = []
    for cell, image in zip(data["cells"], images, strict=True):
        rating = data["ratings"].get(cell["id"], {})
        said = {
            "stars": rating.get("stars"),
            "favourite": rating.get("favourite"),
            "chosen": chosen[cell["id"]] if cell["id"] in compared else None,
            "compared": compared[cell["id"]] or None,
        }
        found.append(_row(data, cell, image, keys, names) | said)
    return columns(keys, names), found


_FIRST = ("id", "cell", "image", "status", "prompt", "negative_prompt", "seed", "base", "loras", "scheduler")
_LAST = ("width", "height", "frames", "seconds", "file", "pixel_sha256", "key", "command", "reason")
_SAID = ("stars", "favourite", "chosen", "compared")


def columns(keys: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """Return the names of the columns, given the keys of the axes and the names of the metrics."""
    return list(dict.fromkeys([*_FIRST, *keys, *metrics, *_LAST, *_SAID]))


def _row(data: Data, cell: Cell, image: Shown, keys: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    settings, output = image.run.settings, image.output if cell["file"] else None
    axes = dict(zip(keys, _on_axes(data, cell), strict=True)) if keys else {}
    fixed = {
        "id": cell["id"],
        "cell": cell["name"],
        "image": cell["image"],
        "status": cell["status"],
        "prompt": _value(settings, "prompt"),
        "negative_prompt": _value(settings, "negative_prompt"),
        "seed": cell["seed"],
        "base": _value(settings, "base.source"),
        "loras": _loras(settings),
        "scheduler": _value(settings, "scheduler.name"),
    }
    return (
        fixed
        | {key: _value(settings, key) if key in settings else axes[key] for key in keys if key not in fixed}
        | {name: cell["metrics"].get(name) for name in metrics}
        | {
            "width": cell["width"],
            "height": cell["height"],
            "frames": cell["frames"],
            "seconds": cell["seconds"],
            "file": f"{cell['name']}/{output.file}" if output else None,
            "pixel_sha256": output.pixel_sha256 if output else None,
            "key": image.run.key,
            "command": command(data["root"], cell["name"], output.file if output and len(image.run.outputs) > 1 else "")
            if image.run.again
            else shlex.join(["tcdflow", *image.run.overrides]),
            "reason": cell["reason"],
        }
    )


def command(root: str, name: str, file: str) -> str:
    """Return the command that makes a run again, or the image of one of its files, for a shell."""
    return shlex.join(["tcdflow", "rerun", str(Path(root, name, file))])


def _on_axes(data: Data, cell: Cell) -> list[str]:
    """Return where a cell stands on each key of each axis, as it is shown; of several keys the axis's whole text."""
    return [
        axis["values"][place]["text"]
        for axis, place in zip(data["axes"], cell["at"], strict=True)
        for _ in axis["key"].split(", ")
    ]


def _value(settings: Mapping[str, str], key: str) -> Any:
    """Return a setting as a cell of a table holds it: lists and mappings as JSON."""
    return _plain(settings.get(key, "null"))


@lru_cache(maxsize=65_536)
def _plain(text: str) -> Any:
    value = json.loads(text)
    return text if isinstance(value, list | dict) else sound(value) if isinstance(value, str) else value


def _loras(settings: Mapping[str, str]) -> str:
    """Return the LoRAs with their weights: ``tcd=1.0 papercut=0.7``, by block ``tcd=unet.down:0.5,unet.up:1.0``."""
    weights: dict[str, list[str]] = {}
    for name, block, key in _weights(tuple(settings)):
        weights.setdefault(name, []).append(f"{block}:{settings[key]}" if block else settings[key])
    return " ".join(f"{name}={','.join(texts)}" for name, texts in weights.items())


@lru_cache(maxsize=256)
def _weights(keys: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return name, block and key of each weight of a LoRA."""
    found = []
    for key in keys:
        part, _, rest = key.partition(".")
        name, _, rest = rest.partition(".")
        field, _, block = rest.partition(".")
        if (part, field) == ("loras", "weight"):
            found.append((name, block, key))
    return found
