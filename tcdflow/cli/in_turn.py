"""Commands one after the other in one process, on one engine: none sees what became of those before."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tcdflow.cli.command import dispatch
from tcdflow.cli.signals import INTERRUPTED, STOPPED, forget

if TYPE_CHECKING:
    from tcdflow.engine.warm import WarmEngine


def run(argv: Sequence[str], engine: WarmEngine) -> int:
    """Run a command, and return its exit status. After a failure, the engine forgets what it has loaded."""
    engine.asked = False
    gc.disable()  # until libraries are imported: the engine starts it again once all is loaded
    try:
        status = dispatch(argv)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        status = INTERRUPTED
    except Exception:  # the user wants to see where it happened
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        gc.enable()
    if status and engine.asked:
        engine.close()  # whose state nobody knows after a failure
    forget()
    return status
