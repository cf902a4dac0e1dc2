"""The libraries' own chatter: their bars are replaced by ours, their messages go where the program's log goes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Keep diffusers and transformers off the terminal; their messages reach the root logger if it has handlers."""
    with _quiet(diffusers_logging, "diffusers"), _quiet(transformers_logging, "transformers"):
        yield


@contextmanager
def _quiet(library: object, name: str) -> Iterator[None]:
    library.get_verbosity()  # type: ignore[attr-defined]  # makes the library's own handler, so that it can be taken off
    logger = logging.getLogger(name)
    handlers, propagate = list(logger.handlers), logger.propagate
    bars = library.is_progress_bar_enabled()  # type: ignore[attr-defined]
    logger.handlers = [] if logging.root.handlers else [logging.NullHandler()]
    logger.propagate = bool(logging.root.handlers)
    library.disable_progress_bar()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        if bars:
            library.enable_progress_bar()  # type: ignore[attr-defined]
