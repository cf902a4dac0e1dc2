"""Picks the verb, and turns every error into one message and an exit status."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from tcdflow._version import __version__
from tcdflow.cli.leave import leave
from tcdflow.cli.signals import INTERRUPTED, interrupted, listen
from tcdflow.cli.streams import guard
from tcdflow.errors import ConfigError, TcdflowError, by_interrupt
from tcdflow.text import joined, one_line, printable, unsigned

DEBUG = "TCDFLOW_DEBUG"
_STOPPED = "tcdflow: interrupted"


def main() -> NoReturn:
    """Run the command line of this process and leave."""
    status = INTERRUPTED
    try:
        guard()
        listen()
        # What libraries warn each other of belongs into the log, not between a person and their images. A log that
        # cannot be written is no reason to show a traceback.
        logging.captureWarnings(True)
        logging.raiseExceptions = False
        # Importing torch and diffusers makes a million objects and no garbage: collecting meanwhile costs over a
        # second. The run starts the collector again once all is loaded.
        gc.disable()
        # Threads that spin for microseconds before they sleep are awake for the next small layer, which takes a third
        # of the time on an idle machine, and do not fight for cores on a busy one.
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        status = dispatch(sys.argv[1:])
    except KeyboardInterrupt:
        print(_STOPPED, file=sys.stderr)
    leave(status)


def dispatch(argv: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 done, 1 the run or some cell failed, 2 the request was wrong, 130 interrupted.
    """
    try:
        return _verb(argv)(argv)
    except (Exception, KeyboardInterrupt) as error:
        time.sleep(0.001)  # for the thread that listens to have its turn
        if by_interrupt(error) or interrupted():
            print(_STOPPED, file=sys.stderr)
            return INTERRUPTED
        if isinstance(error, BrokenPipeError):
            return 1
        if os.environ.get(DEBUG):
            raise
        print(_told(error), file=sys.stderr)
        if isinstance(error, ConfigError) and any(problem.fetchable for problem in error.problems):
            print(f"tcdflow: this fetches what is missing: {_fetching(argv)}", file=sys.stderr)
        return error.exit_status if isinstance(error, TcdflowError) else 1


def _verb(argv: Sequence[str]) -> Callable[[Sequence[str]], int]:
    first = argv[0] if argv else ""
    if first == "help" or (first not in ("rerun", "resume") and not {"-h", "--help"}.isdisjoint(argv)):
        from tcdflow.cli.help import show

        return show
    if "--version" in argv:
        return _version
    if first == "check":
        from tcdflow.cli.check import check

        return check
    if first == "fetch":
        from tcdflow.cli.fetch import fetch

        return fetch
    if first == "lock":
        from tcdflow.cli.lock import lock

        return lock
    if first == "ls":
        from tcdflow.cli.ls import ls

        return ls
    if first == "resume":
        from tcdflow.cli.sweep import resume

        return resume
    if first == "rerun":
        from tcdflow.cli.rerun import rerun

        return rerun
    from tcdflow.cli.run import run

    return run


def _fetching(argv: Sequence[str]) -> str:
    """Return the command that fetches what a command has lacked."""
    words = list(argv[1:] if argv[0] in ("check", "fetch", "lock", "rerun", "resume") else argv)
    kept = [word for word in words if word not in ("--verify", "--retry-failed")]
    return one_line(unsigned(f"HF_HUB_OFFLINE=0 tcdflow fetch {shlex.join(kept)}"))


def _version(_: Sequence[str]) -> int:
    print(f"tcdflow {__version__}")
    return 0


def _told(error: BaseException) -> str:
    text = unsigned(str(error))
    if isinstance(error, TcdflowError):
        return _listed(text) if "\n" in text else f"tcdflow: {printable(text)}"
    reason = joined(text) or type(error).__name__
    return f"tcdflow: failed: {type(error).__name__}: {reason} ({DEBUG}=1 shows where)"


def _listed(text: str) -> str:
    lines = text.split("\n")
    return "\n".join([f"tcdflow: {len(lines)} things are wrong:", *(f"  {printable(line)}" for line in lines)])
