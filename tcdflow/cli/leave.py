"""Ends a finished process without freeing its heap."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

from tcdflow.cli.signals import deafen
from tcdflow.errors import OutputError
from tcdflow.libraries.python import finish_threads_and_handlers


def leave(code: int) -> NoReturn:
    """Exit as ``sys.exit(code)`` does in a program's last line, short of the interpreter's teardown.

    With torch and diffusers imported, freeing every module and object one by one takes a second, and the
    system does it at once. Threads are awaited, exit handlers run (logging's, multiprocessing's, coverage's)
    and the standard streams are flushed, as ever; but no ``__del__`` runs any more, so a file still open
    loses what it has buffered. For the console script alone, since code embedding tcdflow keeps its process;
    where somebody waits for us to return, this raises SystemExit instead.
    """
    if _watched():
        sys.exit(code)
    try:
        deafen()
        finish_threads_and_handlers()
    except KeyboardInterrupt:  # all is done, and said
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = code or 1
    finally:
        os._exit(flushed(code))


def _watched() -> bool:
    """Say whether a debugger, a profiler, ``python -i`` or another thread's caller wants the process back."""
    observed = sys.gettrace() or sys.getprofile() or sys.flags.inspect
    return bool(observed) or threading.current_thread() is not threading.main_thread()


def flushed(code: int) -> int:
    """Flush the standard streams and return the status: 1 if all was well but for output that was lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BrokenPipeError:  # the reader has seen enough, `| head` being the usual one
            pass
        except (OutputError, OSError, ValueError) as error:
            if not code:
                print(f"tcdflow: {error}", file=sys.stderr)
            code = code or 1
    return code
