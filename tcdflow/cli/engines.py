"""The engine of a command: one of its own, or that of the shell, which is warm since an earlier line."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tcdflow.engine.collector import resume_collector
from tcdflow.engine.warm import WarmEngine

_shared: list[WarmEngine] = []


def engine(*, reusable: bool) -> WarmEngine:
    """Return the engine that a command uses.

    Args:
        reusable: whether the command makes several runs; without, loading may leave out what only another run needs.
    """
    return _shared[-1] if _shared else WarmEngine(reusable=reusable, on_loaded=_on_loaded())


@contextmanager
def shared() -> Iterator[WarmEngine]:
    """Have all commands use one engine meanwhile."""
    _shared.append(WarmEngine(on_loaded=_on_loaded()))
    try:
        yield _shared[-1]
    finally:
        _shared.pop().close()


def _on_loaded() -> Callable[[], None] | None:
    """Return what resumes the collector if it was stopped: within another program it is that program's own."""
    return None if gc.isenabled() else resume_collector
