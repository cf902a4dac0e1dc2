"""Log files of runs and sweeps: errors, and warnings of libraries, of each process that takes part."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tcdflow.record.in_place import open_in_place
from tcdflow.text import PrintableFormatter


@contextmanager
def log_file(path: Path, verbose: Sequence[str] = ()) -> Iterator[None]:
    """Append what is logged to a file; several processes may, since each line is appended at once.

    Args:
        path: of the file, in a directory that exists. A link there, symbolic or hard, is removed and never followed.
        verbose: names of loggers that log from DEBUG on, "" being the root; all others do from INFO on.

    Raises:
        OutputError: if the file cannot be opened.
    """
    file = os.fdopen(open_in_place(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8")
    handler = logging.StreamHandler(file)
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    levels = {root: logging.INFO} | {logging.getLogger(name): logging.DEBUG for name in verbose}
    before = {logger: logger.level for logger in levels}
    root.addHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)
        with suppress(OSError):  # what could not be logged is no reason to call the run a failure
            handler.close()
            file.close()
