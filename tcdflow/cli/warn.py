"""Warnings on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tcdflow.text import printable


def warn(texts: Iterable[str]) -> None:
    """Say what is probably not meant."""
    for text in texts:
        print(f"tcdflow: warning: {printable(text)}", file=sys.stderr)
