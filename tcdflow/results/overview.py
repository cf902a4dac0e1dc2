"""Several images as HTML of a notebook: in rows and columns by what varies, else side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tcdflow.gallery.axes import Placed
from tcdflow.gallery.values import header, name
from tcdflow.results import html
from tcdflow.results.image import ImageResult
from tcdflow.text import shortened

_MOST_COLUMNS = 10


def overview(images: Sequence[ImageResult], axes: Sequence[Placed]) -> str:
    """Return images with what varies between them: as a table where each has a place of its own.

    Args:
        images: as many as are to be shown.
        axes: on which they are placed.
    """
    used = [sorted({image.shown.at[number] for image in images}) for number in range(len(axes))]
    varying = [number for number, places in enumerate(used) if len(places) > 1]
    at = {image.shown.at for image in images}
    fitting = [number for number in varying if len(used[number]) <= _MOST_COLUMNS]
    if not fitting or len(at) < len(images):
        figures = [(html.thumbnail(i.shown), [f"{k}={v}" for k, v in i.varying.items()]) for i in images]
        return html.flow(figures)
    across = max(fitting, key=lambda number: (len(used[number]), number))
    down = [number for number in varying if number != across]
    rows: dict[tuple[int, ...], dict[int, str]] = {}
    for image in images:
        row = rows.setdefault(tuple(image.shown.at[number] for number in down), {})
        row[image.shown.at[across]] = html.thumbnail(image.shown)
    corner = f"{', '.join(name(axes[n]) for n in down)}{' / ' if down else ''}{name(axes[across])}"
    columns = [header(axes[across].values[column]) for column in used[across]]
    heads = {
        place: "; ".join(shortened(header(axes[n].values[p]), 100) for n, p in zip(down, place, strict=True))
        for place in rows
    }
    lines = [(heads[place], [row.get(column, "") for column in used[across]]) for place, row in rows.items()]
    return html.table(corner, columns, lines)
