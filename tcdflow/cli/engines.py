"""The engine of a command: one of its own, or that of the shell, which is warm since an earlier line; its imports."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING

from tcdflow.engine.collector import resume_collector
from tcdflow.engine.warm import WarmEngine

if TYPE_CHECKING:
    from tcdflow.request.prepare import Preparer

_shared: list[WarmEngine] = []
_LONG = 0.3
"""Seconds of hashing after which imports begin beside it."""


def engine(*, reusable: bool) -> WarmEngine:
    """Return the engine that a command uses.

    Args:
        reusable: whether the command makes several runs; without, loading may leave out what only another run needs.
    """
    return _shared[-1] if _shared else WarmEngine(reusable=reusable, on_loaded=_on_loaded())


def preparer() -> Preparer:
    """Return what prepares what is to be run: while it hashes gigabytes, the libraries of the engine are imported."""
    from tcdflow.request.prepare import Preparer  # a wrong config is answered without it

    # A thread goes on importing after a Ctrl-C, beside the next command of a process that has one.
    return Preparer() if _shared else Preparer(beside=importing)


@contextmanager
def importing() -> Iterator[None]:
    """Import what an engine needs, if what is done meanwhile takes long."""
    timer = Timer(_LONG, _import)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    # Two threads that import what imports each other may see half of it; nor does an error come here to wait.
    timer.join()


def _import() -> None:
    with suppress(Exception):  # it is met again where the engine is made
        import tcdflow.engine.engine  # noqa: F401


@contextmanager
def shared() -> Iterator[WarmEngine]:
    """Have all commands use one engine meanwhile."""
    _shared.append(WarmEngine(on_loaded=_on_loaded(), lasting=True))
    try:
        yield _shared[-1]
    finally:
        _shared.pop().close()


def _on_loaded() -> Callable[[], None] | None:
    """Return what resumes the collector if it was stopped: within another program it is that program's own."""
    return None if gc.isenabled() else resume_collector
