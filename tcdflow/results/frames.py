"""Results as tables: rows as in ``images.csv``, for pandas and polars where somebody has them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tcdflow.errors import RequestError
from tcdflow.gallery import ratings as rated
from tcdflow.gallery import rows as listed
from tcdflow.gallery.build import build
from tcdflow.gallery.collect import Collected
from tcdflow.gallery.ratings import Ratings
from tcdflow.gallery.thumbnails import Look


def rows(collected: Collected) -> list[dict[str, Any]]:
    """Return a row for each image, with the columns of ``images.csv``; files are relative to the working directory.

    Ratings are those beside the page of the directory, where there is one.
    """
    one = len(collected.directories) == 1
    ratings = rated.of_directory(collected.directories[0]) if one else Ratings()
    looks = {image.path: Look(None) for image in collected.images if image.output is not None}
    data = build(collected.axes, collected.images, looks, ratings, folder=Path(), identity=collected.identity)
    return listed.rows(data, collected.images, ratings)[1]


def module(name: str) -> Any:
    """Return a library that is no dependency of tcdflow.

    Raises:
        RequestError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise RequestError(f"{name} is not installed (pip install {name}); to_dicts() needs nothing else") from None
