"""What an evaluation leaves: ``evaluation.json``, ``evaluation.csv`` and a table for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tcdflow._version import __version__
from tcdflow.errors import OutputError
from tcdflow.evaluate.evaluation import ACCURACY, FRECHET, Evaluation, Measured, rounded
from tcdflow.gallery.evaluated import FILE_NAME
from tcdflow.record.atomic import write_text
from tcdflow.record.table import csv_text
from tcdflow.spec.metrics import ImageMetric, metric_of
from tcdflow.text import printable

_LEAST = ("sharpness", "complexity", "seconds")
"""What the terminal shows where there is no reference."""


def write(found: Evaluation, directories: Sequence[Path], folder: Path) -> Path:
    """Write both files, and return the path of the first.

    Raises:
        OutputError: if they cannot be written.
    """
    columns, rows = table(found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.of(folder, error, "made") from error
    write_text(folder / FILE_NAME, json.dumps(plain(found, directories), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "evaluation.csv", csv_text(columns, rows))
    return folder / FILE_NAME


def plain(found: Evaluation, directories: Sequence[Path]) -> dict[str, Any]:
    """Return the content of ``evaluation.json``."""
    reference = found.reference
    return {
        "schema_version": 1,
        "kind": "evaluation",
        "tcdflow": __version__,
        "directories": [str(path) for path in directories],
        "reference": {"from": list(reference.said), "images": len(reference.images)} if reference else None,
        "features": [
            {"name": one.name, "source": one.source, "files": [file.model_dump() for file in one.files]}
            for one in found.features
        ],
        "sets": found.compared.sets,
        "images_of_a_set": len(found.compared.prompts),
        "prompts": list(dict.fromkeys(found.compared.prompts)),
        "warnings": list(found.warnings),
        "conditions": [_condition(row) for row in found.rows],
        "runs": found.of_runs(),
    }


def _condition(row: Measured) -> dict[str, Any]:
    return {
        "condition": row.condition.label,
        "settings": {key: json.loads(text) for key, text in row.condition.settings.items()},
        "unet_calls": row.condition.unet_calls,
        "mean": {name: rounded(value) for name, value in row.means.items()},
        "spread": {name: rounded(value) for name, value in row.spreads.items()},
        "best_at_its_calls": sorted(row.best),
        "sets": [{name: rounded(value) for name, value in one.items()} for one in row.sets],
        "seeds": [sorted({image.seed for image in images if image.seed is not None}) for images in row.condition.sets],
    }


def table(found: Evaluation) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns of ``evaluation.csv``, and a row for each condition."""
    keys = list(dict.fromkeys(key for row in found.rows for key in row.condition.settings))
    names = _names(found)
    numbers = [column for name in names for column in (name, f"{name}_spread")]
    columns = ["condition", "unet_calls", "sets", "images_of_a_set", *keys, *numbers]
    rows = []
    for row in found.rows:
        settings = {key: json.loads(text) for key, text in row.condition.settings.items()}
        values: dict[str, Any] = {
            "condition": row.condition.label,
            "unet_calls": row.condition.unet_calls,
            "sets": len(row.sets),
            "images_of_a_set": len(found.compared.prompts),
            **{key: _cell(settings.get(key)) for key in keys},
        }
        means, spreads = row.means, row.spreads
        for name in names:
            values[name] = rounded(means[name]) if name in means else None
            values[f"{name}_spread"] = rounded(spreads[name]) if name in spreads else None
        rows.append(values)
    return columns, rows


def lines(found: Evaluation, names: Sequence[str] | None = None) -> Iterator[str]:
    """Yield the table for the terminal: the cheapest first, the best of as many UNet calls marked.

    Args:
        found: the evaluation.
        names: of the numbers to show; None shows distances and what was measured, or the least that each run has.
    """
    names = names or [name for name in _names(found) if _is_asked(name)] or list(_LEAST)
    size, sets = len(found.compared.prompts), found.compared.sets
    yield f"{sets} seed set{'s' if sets != 1 else ''} of {size} images; mean ± spread over the sets"
    head = ["UNet calls", *names, "condition"]
    rows = [
        [str(row.condition.unet_calls), *(_shown(row, name) for name in names), row.condition.label]
        for row in found.rows
    ]
    widths = [max(len(line[place]) for line in (head, *rows)) for place in range(len(head) - 1)]
    for line in (head, *rows):
        cells = [text.rjust(width) for text, width in zip(line, widths, strict=False)]
        yield printable("  ".join([*cells, line[-1]]))
    if any(row.best for row in found.rows):
        yield "* none of as many UNet calls is better, beyond the spread"


def _is_asked(name: str) -> bool:
    """Say whether a number is one that not every run has, but somebody has asked for."""
    metric = metric_of(name)
    return name.startswith((FRECHET, ACCURACY)) or (isinstance(metric, ImageMetric) and not metric.recorded)


def _names(found: Evaluation) -> list[str]:
    there = dict.fromkeys(name for row in found.rows for name in row.means)
    return [
        *(name for name in there if name.startswith(FRECHET)),
        *(name for name in there if name.startswith(ACCURACY)),
        *(name for name in there if not name.startswith((FRECHET, ACCURACY))),
    ]


def _shown(row: Measured, name: str) -> str:
    mean, spread = row.means.get(name), row.spreads.get(name)
    if mean is None:
        return "-"
    text = f"{mean:.4g}" + (f" ± {spread:.2g}" if spread is not None else "")
    return f"{text} {'*' if name in row.best else ' '}"


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
