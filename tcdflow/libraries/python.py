"""CPython's private parts."""

from __future__ import annotations

import atexit
import logging
import threading
from contextlib import suppress


def finish_threads_and_handlers() -> None:
    """Wait for threads and run exit handlers, as the interpreter does at its end, without ending it.

    A process that has imported torch takes a second to free every module and object, which the system does at once;
    what comes before that is still to be done.

    Private: ``threading._shutdown`` and ``atexit._run_exitfuncs``, which Py_Finalize and multiprocessing's children
    call. In its place: nothing public does the first half of finalisation.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def free_logging() -> None:
    """Release the lock of ``logging``, if an interrupt has left it with this thread.

    A KeyboardInterrupt that comes between the taking of that lock and the ``try`` after it leaves it taken. This thread
    can take it again; others, in which Pillow logs as it reads an image, would wait for ever.

    Private: ``logging._lock``. In its place: nothing public says that the lock is held.
    """
    with suppress(RuntimeError):  # it is not this thread's (any more)
        while True:
            logging._lock.release()  # type: ignore[attr-defined]
