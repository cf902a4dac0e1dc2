"""Logging of the hub's client: one line about retries instead of ten, and no progress bars."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

_log = logging.getLogger(__name__)
_RETRY = re.compile(r"thrown while requesting|^Retrying in|^Rate limited|^Error while downloading")


@contextmanager
def terse(repo: str) -> Iterator[None]:
    """Say once that the client tries again, without the addresses it asks, which may be signed; draw no bars."""
    handlers = [] if constants.HF_DEBUG else list(logging.getLogger("huggingface_hub").handlers)
    bars = not are_progress_bars_disabled()
    once = _Once(repo)
    for handler in handlers:
        handler.addFilter(once)
    if bars:
        disable_progress_bars()
    try:
        yield
    finally:
        if bars:
            enable_progress_bars()
        for handler in handlers:
            handler.removeFilter(once)


class _Once(logging.Filter):
    """Replaces the client's many lines about its tries by one."""

    def __init__(self, repo: str) -> None:
        super().__init__()
        self.repo = repo
        self.announced = False

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.WARNING or not _RETRY.search(record.getMessage()):
            return True
        if not self.announced:
            self.announced = True
            _log.warning("%s: the hub does not answer as it should; trying again for a while", self.repo)
        return False
