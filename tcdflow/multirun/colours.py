"""Colours of what libraries write on standard error: on a terminal alone, and not where NO_COLOR is set."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from tcdflow.text import rewritten

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def on_terminals_alone() -> Iterator[None]:
    """Leave colours out meanwhile unless they are for a terminal: Optuna's log has them wherever it goes."""
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        yield
        return
    with redirect_stderr(rewritten(sys.stderr, lambda text: _COLOUR.sub("", text))):
        yield
