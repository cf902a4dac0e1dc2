"""The garbage collector, which stands still while libraries are imported."""

from __future__ import annotations

import gc


def stop_collector() -> None:
    """Stop collecting: importing torch and diffusers makes a million objects and no garbage; it costs a second."""
    gc.disable()


def resume_collector() -> None:
    """Start collecting again, and spare the collector what was imported."""
    gc.freeze()
    gc.enable()
