"""What is set once in a process that runs commands: signals, log and garbage collector."""

from __future__ import annotations

import logging

from tcdflow.cli.signals import listen
from tcdflow.engine.collector import stop_collector
from tcdflow.text import PrintableFormatter


def prepare_process() -> None:
    """Set what is set once, before anything big is imported."""
    listen()
    # What libraries warn each other of belongs into the log, not between a person and their images. A log that
    # cannot be written is no reason to show a traceback.
    logging.captureWarnings(True)
    logging.raiseExceptions = False
    if logging.lastResort is not None:  # which writes to standard error where no run has a log
        logging.lastResort.setFormatter(PrintableFormatter())
    stop_collector()  # the run starts it again once all is loaded
