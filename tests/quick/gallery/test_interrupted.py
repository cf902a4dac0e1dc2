"""A page is written after an interrupt, wherever it came."""

from __future__ import annotations

import logging
from pathlib import Path

from PIL import PngImagePlugin

from tcdflow.gallery.write import gallery
from tests.sweep.fake import FakeEngine, Sweep


def test_logging_was_left_locked(tmp_path: Path) -> None:
    """As by an interrupt between the taking of the lock and the ``try`` after it: other threads would wait for ever."""
    Sweep(tmp_path / "sweep", FakeEngine()).run("sampling.seed=1,2")
    (tmp_path / "page").mkdir()
    logging._lock.acquire()  # type: ignore[attr-defined]
    PngImagePlugin.logger.manager._clear_cache()  # type: ignore[attr-defined]
    assert gallery([tmp_path / "sweep"], tmp_path / "page", None).shown == 2
