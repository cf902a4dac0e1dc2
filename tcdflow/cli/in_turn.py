"""Commands one after the other in one process, on one engine: none sees what became of those before."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tcdflow.cli.command import dispatch
from tcdflow.cli.signals import INTERRUPTED, STOPPED, forget
from tcdflow.engine.interrupts import Delayed

if TYPE_CHECKING:
    from tcdflow.engine.warm import WarmEngine


def run(argv: Sequence[str], engine: WarmEngine) -> int:
    """Run a command, and return its exit status. After a failure, the engine forgets what it has loaded."""
    engine.asked = False
    gc.disable()  # until libraries are imported: the engine starts it again once all is loaded
    try:
        status = _run(argv)
        if status and engine.asked:
            with Delayed():
                engine.close()  # what a failed run has left in memory
    except KeyboardInterrupt:  # another one, while the first was answered
        status = INTERRUPTED
    finally:
        gc.enable()
        forget()
    return status


def _run(argv: Sequence[str]) -> int:
    try:
        return dispatch(argv)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    except Exception:  # the user wants to see where it happened
        sys.excepthook(*sys.exc_info())
        return 1
