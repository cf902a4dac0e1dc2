"""Tables as two files: CSV, which no spreadsheet takes for formulas, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tcdflow.record.atomic import write_text

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(directory: Path, stem: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``<stem>.csv`` and ``<stem>.jsonl`` atomically.

    Args:
        directory: where.
        stem: their name.
        columns: names of the columns; of each row, the keys in this order.
        rows: values by column.

    Raises:
        OutputError: if they cannot be written.
    """
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    # Not durable: they can be made again from the records.
    write_text(directory / f"{stem}.csv", csv_text(columns, rows), durable=False)
    write_text(directory / f"{stem}.jsonl", lines, durable=False)


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table as CSV; arguments as of :func:`write`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_harmless, columns))
    writer.writerows(map(_harmless, row.values()) for row in rows)
    return buffer.getvalue()


def _harmless(value: Any) -> Any:
    """Spreadsheets run text that begins like a formula; such text, and such a column, gets a space in front."""
    return f" {value}" if isinstance(value, str) and value[:1] in _FORMULA else value
