"""Images as HTML of a notebook: everything escaped, images inlined, no script and no class that a page could have."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.gallery.collect import frames, still
from tcdflow.gallery.images import Shown
from tcdflow.spec.formats import all_formats
from tcdflow.text import joined

SIDE = 128
"""Pixels of the longer side of a thumbnail."""

_MOST_BYTES = 20_000_000
"""Of a file that is put into a notebook as it is."""
_NONE = "display:inline-block;box-sizing:border-box;padding:6px;border:1px dashed #999;overflow:hidden;font-size:11px;"
_CELL = "padding:3px;text-align:left;vertical-align:top;background:transparent;"


def whole(shown: Shown) -> str:
    """Return an image as it is in its file.

    Raises:
        RecordError: if it is not there, or not what was recorded.
    """
    first = frames(shown)[0]
    path = Path(shown.path)
    data, kind = path.read_bytes(), _media_type(path.suffix.lower())
    if kind is None or len(data) > _MOST_BYTES:
        data, kind = _png(first), "image/png"
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    if kind.startswith("video/"):
        return f'<video src="{source}" style="max-width:100%" autoplay loop muted controls></video>'
    return f'<img src="{source}" style="max-width:100%">'


def thumbnail(shown: Shown) -> str:
    """Return an image as a thumbnail, or why there is none."""
    if shown.output is None:
        return nothing(shown.status, shown.reason or "")
    try:
        image = still(shown)
    except RecordError as error:
        return nothing("missing", str(error))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=85)
    source = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img src="data:image/webp;base64,{source}" {size} style="margin:0">'


def nothing(status: str, reason: str) -> str:
    """Return what stands in the place of an image."""
    told = escape(joined(f"{status}: {reason}" if reason else status, 300))
    return f'<div style="{_NONE}width:{SIDE}px;height:{SIDE}px">{told}</div>'


def figure(shown: str, lines: Sequence[str]) -> str:
    """Return an image with lines of text below it."""
    below = "".join(f"<div>{text(line, 500)}</div>" for line in lines)
    return f'<div style="display:inline-block;font-size:12px">{shown}{below}</div>'


def flow(figures: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return images side by side, as many to a row as there is room for."""
    cells = (
        f'<div style="width:{SIDE}px;font-size:11px;overflow-wrap:anywhere">{shown}'
        f"{''.join(f'<div>{text(line)}</div>' for line in lines)}</div>"
        for shown, lines in figures
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(cells)}</div>'


def table(corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return images in rows and columns with headers.

    Args:
        corner: what varies, above the headers of the rows.
        columns: their headers.
        rows: header and images of each, as HTML.
    """

    def head(words: str, width: int) -> str:
        style = f"{_CELL}max-width:{width}px;overflow-wrap:anywhere;font-weight:normal;font-size:12px"
        return f'<th style="{style}">{text(words)}</th>'

    first = "".join(head(words, SIDE) for words in columns)
    lines = (
        f"<tr>{head(words, 220)}{''.join(f'<td style={chr(34)}{_CELL}{chr(34)}>{shown}</td>' for shown in own)}</tr>"
        for words, own in rows
    )
    return f'<table style="border-collapse:collapse"><tr>{head(corner, 220)}{first}</tr>{"".join(lines)}</table>'


def text(words: str, most: int = 120) -> str:
    """Return text as HTML, on one line and of bounded length; its direction stays its own."""
    return f"<bdi>{escape(joined(words, most))}</bdi>"


def _media_type(suffix: str) -> str | None:
    return next((format.media_type for format in all_formats() if format.suffix == suffix), None)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
