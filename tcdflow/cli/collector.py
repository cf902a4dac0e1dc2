"""The garbage collector, which ``main`` stops while libraries are imported."""

from __future__ import annotations

import gc


def resume_collector() -> None:
    """Start collecting again, and spare the collector what was imported."""
    gc.freeze()
    gc.enable()
