"""CPython's private parts."""

from __future__ import annotations

import atexit
import threading


def finish_threads_and_handlers() -> None:
    """Wait for threads and run exit handlers, as the interpreter does at its end, without ending it.

    A process that has imported torch takes a second to free every module and object, which the system does at once;
    what comes before that is still to be done.

    Private: ``threading._shutdown`` and ``atexit._run_exitfuncs``, which Py_Finalize and multiprocessing's children
    call. In its place: nothing public does the first half of finalisation.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
