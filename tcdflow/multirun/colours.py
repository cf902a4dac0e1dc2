"""Colours of what libraries write on standard error: on a terminal alone, and not where NO_COLOR is set."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, TextIO, cast

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def on_terminals_alone() -> Iterator[None]:
    """Leave colours out meanwhile unless they are for a terminal: Optuna's log has them wherever it goes."""
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        yield
        return
    with redirect_stderr(cast("TextIO", _Plain(sys.stderr))):
        yield


class _Plain:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_COLOUR.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
