"""Standard streams that are closed, full or without a reader: no work is lost because of them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, TextIO

from tcdflow.errors import OutputError
from tcdflow.text import printable, rewritten

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def guard() -> None:
    """Open those that are closed; output that cannot be written is an error of one line, and messages are let go."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else a file of ours gets the number, and with it what any library says on standard error.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout, _ = open_output()
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr)


def open_output() -> tuple[TextIO, io.FileIO]:
    """Return standard output as a stream whose failure is an error of one line, and what is below its buffers."""
    raw = _Output(1, "w", closefd=False)
    return _text(raw, sys.stdout), raw


@contextmanager
def printable_output() -> Iterator[None]:
    """Escape control and bidirectional characters in whatever is printed meanwhile: names and values of others."""
    with redirect_stdout(rewritten(sys.stdout, _printable)):
        yield


def _printable(text: str) -> str:
    return text if text.isprintable() else "\t".join(map(printable, text.split("\t")))


class _Output(io.FileIO):
    """Standard output."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # the reader has seen enough
            raise
        except OSError as error:
            raise OutputError.of("standard output", error) from error


class _Messages(io.FileIO):
    """Standard error, of whose failure nobody can be told."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, former: TextIO | None) -> TextIO:
    encoding, errors = (former.encoding, former.errors) if former else ("utf-8", None)
    if errors in (None, "strict"):  # a name or prompt that a terminal has no letters for is no reason to fail
        errors = "backslashreplace"
    lines = raw.fileno() == 2 or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=lines)
