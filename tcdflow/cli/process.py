"""What is set once in a process that runs commands: signals, log and garbage collector."""

from __future__ import annotations

import gc
import logging

from tcdflow.cli.signals import listen
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
    # Importing torch and diffusers makes a million objects and no garbage: collecting meanwhile costs over a
    # second. The run starts the collector again once all is loaded.
    gc.disable()
