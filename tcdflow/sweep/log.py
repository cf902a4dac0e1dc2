"""``sweep.log``: what went wrong, and what libraries warned of, in each process that works on a sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tcdflow.errors import PrintableFormatter
from tcdflow.record.cleanup import remove_link

FILE_NAME = "sweep.log"


@contextmanager
def log_file(directory: Path) -> Iterator[None]:
    """Log to a sweep's directory; several processes may, since each line is appended at once."""
    remove_link(directory / FILE_NAME)
    handler = logging.FileHandler(directory / FILE_NAME, encoding="utf-8")
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        with suppress(OSError):  # what could not be logged is no reason to call the sweep a failure
            handler.close()
