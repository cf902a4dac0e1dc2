r"""Files of prompts: one a line, or rows that bring their own negative prompt, seed and size.

``.txt`` has a prompt a line, taken as it stands but for the blanks around it. Blank lines and lines that begin with
``#`` are left out; ``\#`` begins a prompt with the character itself. ``.csv`` has a header that names the columns, and
``.jsonl`` an object a line. All are UTF-8, or UTF-16 with a byte order mark, with line ends of any system.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcdflow.errors import SourceError
from tcdflow.text import joined

MAX_BYTES = 64_000_000
COLUMNS = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2", "seed", "width", "height")
_NUMBERS = ("seed", "width", "height")
_DELIMITERS = ",;\t"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Row:
    """One prompt of a file, with what it brings.

    Attributes:
        line: of the file, from 1.
        values: by column; ``prompt`` is among them.
    """

    line: int
    values: Mapping[str, str | int]


def read(path: Path) -> list[Row]:
    """Read a file of prompts.

    Raises:
        SourceError: if it cannot be read, with the line that is wrong.
    """
    parse = _FORMATS.get(path.suffix.lower())
    if parse is None:
        raise SourceError("must be a file whose name ends in .txt, .csv or .jsonl")
    rows = [Row(line, _checked(line, values)) for line, values in parse(text_of(path, MAX_BYTES))]
    if not rows:
        raise SourceError("holds no prompt")
    return rows


def text_of(path: Path, most: int) -> str:
    """Return a text file's content with the line ends of Python.

    Raises:
        SourceError: if it is no regular file, larger than ``most`` bytes, or no text.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError("is not a file")
        if status.st_size > most:
            raise SourceError(f"is larger than {most} bytes")
        data = path.read_bytes()
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
        return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError("is not UTF-8 text") from None
    except ValueError:  # a null byte in the path
        raise SourceError("is not a path") from None


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a ``.txt`` file that count, with their numbers."""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped[1:] if stripped.startswith("\\#") else stripped


def _txt(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines(text):
        yield number, {"prompt": line}


def _csv(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if "prompt" not in header:
            raise SourceError(f"line 1: must name the columns, prompt among them: {', '.join(COLUMNS)}")
        if len(set(header)) < len(header):
            raise SourceError("line 1: names a column twice")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                what = f"has {len(cells)} cells and the header {len(header)}; put quotes around text with a"
                raise SourceError(f"line {reader.line_num}: {what} {delimiter!r} in it")
            yield (
                reader.line_num,
                {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()},
            )
    except csv.Error as error:
        raise SourceError(f"line {reader.line_num}: {error}") from None


def _jsonl(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"line {number}: is not JSON: {joined(str(error), 100)}") from None
        if not isinstance(row, dict):
            raise SourceError(f'line {number}: must be an object such as {{"prompt": "a red heart", "seed": 1}}')
        yield number, {name: value for name, value in row.items() if value is not None}


_FORMATS: dict[str, Callable[[str], Iterator[tuple[int, dict[str, Any]]]]] = {
    ".txt": _txt,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
}


def _checked(line: int, values: Mapping[str, Any]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for name, value in values.items():
        if name not in COLUMNS:
            raise SourceError(f"line {line}: {joined(name, 60)!r} is no column; there are {', '.join(COLUMNS)}")
        if name in _NUMBERS:
            found[name] = _number(line, name, value)
        elif isinstance(value, str):
            found[name] = value
        else:
            raise SourceError(f"line {line}: {name} must be text")
    if not str(found.get("prompt", "")).strip():
        raise SourceError(f"line {line}: has no prompt")
    return found


def _number(line: int, name: str, value: Any) -> int:
    plain = value.strip() if isinstance(value, str) else value
    if isinstance(plain, str) and plain.isascii() and plain.isdigit() and len(plain) <= 19:
        return int(plain)
    if isinstance(plain, int) and not isinstance(plain, bool):
        return plain
    raise SourceError(f"line {line}: {name} must be a whole number, not {joined(str(value), 60)!r}")
