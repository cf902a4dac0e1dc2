"""Reads back the recipe that an image carries. Untrusted files are data: bounded, never rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tcdflow.errors import RecordError
from tcdflow.record.data import opened
from tcdflow.record.recipe import parse
from tcdflow.spec.formats import MAX_RECIPE, START, format_of
from tcdflow.text import about


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the recipe of an image or animation: its own metadata, else the ``.json`` beside it.

    Args:
        path: an image or animation of any format that runs write, or a sidecar itself.

    Returns:
        Plain data with ``schema_version`` (1), ``tcdflow`` (the version that wrote it), ``seed``, ``spec`` and
        ``lock`` (a list of mappings). The spec is not yet checked to be one.

    Raises:
        RecordError: if there is none or it is damaged, whatever the bytes; one line.
    """
    sidecar = path.with_suffix(".json")
    try:
        found = None if path.suffix.lower() == ".json" else _embedded(path)
        if found is None:
            if path.suffix.lower() != ".json" and not sidecar.exists():
                raise ValueError(
                    "carries no recipe: written with output.metadata=none, stripped on its way, or by another tool, "
                    "of which tcdflow show --yaml reads some"
                )
            path = sidecar
            with opened(sidecar) as file:
                found = file.read(MAX_RECIPE + 1)
        return parse(found)
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise _error(path, str(error)) from None


def _embedded(path: Path) -> bytes | None:
    with opened(path) as file:
        format = format_of(file.read(START))
        file.seek(0)
        return format.recipe(file)


def _error(path: Path, what: str) -> RecordError:
    return RecordError(about(path, what))
