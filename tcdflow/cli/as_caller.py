"""Being, for one command, the process that asked for it: its streams, directory, variables and umask."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tcdflow.cli.leave import flushed
from tcdflow.cli.streams import open_output

_PEAK = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Order:
    """A command of another process.

    Attributes:
        argv: with the program's name.
        umask: for the files that it makes.
        environment: all variables.
        files: descriptors of its standard streams and of its working directory.
    """

    argv: Sequence[str]
    umask: int
    environment: dict[str, str]
    files: Sequence[int]

    @classmethod
    def of(cls, message: dict[str, object], files: Sequence[int]) -> Order:
        """Read an order.

        Raises:
            ValueError: if it is none.
        """
        argv, umask, environment = (message.get(name) for name in ("argv", "umask", "environment"))
        if not isinstance(argv, list) or not argv or not isinstance(environment, dict) or len(files) != 4:
            raise ValueError("the message is no order")
        return cls([*map(str, argv)], int(str(umask)), {str(k): str(v) for k, v in environment.items()}, files)


def run(order: Order, command: Callable[[Sequence[str]], int]) -> int:
    """Run a command as its caller would.

    Args:
        order: what was asked for.
        command: is given the arguments after the program's name, and returns the exit status.

    Returns:
        The exit status, 1 too if output was lost.
    """
    before, own = dict(os.environ), os.umask(order.umask)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with contextlib.suppress(OSError):  # so that a run's peak of memory is its own
        _PEAK.write_text("5", "ascii")
    try:
        # Libraries warn once of each place; the filters' version makes that once a command.
        with _streams(order.files[:3]), warnings.catch_warnings():
            os.fchdir(order.files[3])
            _set_environment(order.environment)
            tempfile.tempdir = None  # which depends on variables
            sys.argv = list(order.argv)
            return flushed(command(order.argv[1:]))
    finally:
        root.handlers[:], root.level = handlers, level
        _set_environment(before)
        os.umask(own)
        os.chdir("/")


def _set_environment(variables: dict[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@contextlib.contextmanager
def _streams(files: Sequence[int]) -> Iterator[None]:
    """Have the standard streams lead where those of another process do, whatever writes to them."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, raw = open_output()
    try:
        yield
    finally:
        # What could not be written must not reach the next command's output.
        raw.close()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        os.close(nowhere)
