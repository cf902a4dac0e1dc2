"""Picks the verb, and turns every error into one message and an exit status."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from errno import ENAMETOOLONG
from pathlib import Path
from typing import NoReturn

from tcdflow._version import __version__
from tcdflow.cli.leave import leave
from tcdflow.cli.process import prepare_process
from tcdflow.cli.signals import INTERRUPTED, STOPPED, interrupted
from tcdflow.cli.streams import guard, printable_output
from tcdflow.cli.verbs import HELP, VERBS
from tcdflow.errors import ConfigError, Problem, RequestError, TcdflowError, by_interrupt, out_of_memory
from tcdflow.text import joined, one_line, printable, shortened, unsigned
from tcdflow.warm.client import VARIABLE as WARM

DEBUG = "TCDFLOW_DEBUG"
_NO_MEMORY = re.compile(r"^MemoryError|failed to map segment|cannot allocate memory", re.IGNORECASE)
"""How want of memory shows, also where a library is imported."""
_MOST_SHOWN = 120
"""Characters of what torch says of memory, which goes on to its documentation."""


def main() -> NoReturn:
    """Run the command line of this process, in it, and leave."""
    status = INTERRUPTED
    try:
        guard()
        prepare_process()
        status = dispatch(sys.argv[1:])
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
    except Exception as error:  # before any command: no thread can be started, say
        if os.environ.get(DEBUG):
            raise
        status = 1
        print(message(error), file=sys.stderr)
    leave(status)


def dispatch(argv: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 done, 1 the run or some cell failed, 2 the request was wrong, 130 interrupted.
    """
    try:
        with printable_output():
            return _run(argv)
    except BaseException as error:  # of an import that is interrupted a panic may come, which is no Exception
        if by_interrupt(error) or interrupted():
            print(STOPPED, file=sys.stderr)
            return INTERRUPTED
        if not isinstance(error, Exception):
            raise
        if isinstance(error, BrokenPipeError):
            return 1
        if os.environ.get(DEBUG):
            raise
        if isinstance(error, OSError) and error.errno == ENAMETOOLONG:  # as any path may have that the user gives
            where = shortened(one_line(str(error.filename)), 80)
            error = RequestError(f"{where}: has a name that is too long for a file or folder")
        print(message(error), file=sys.stderr)
        if isinstance(error, ConfigError) and any(problem.fetchable for problem in error.problems):
            print(f"tcdflow: this fetches what is missing: {_fetching(argv)}", file=sys.stderr)
        return error.exit_status if isinstance(error, TcdflowError) else 1


def _run(argv: Sequence[str]) -> int:
    """Run the verb that comes first, or a run or sweep if none does."""
    verb = VERBS.get(argv[0]) if argv else None
    if not argv:
        from tcdflow.cli.help import WELCOME

        print(WELCOME, end="")
        return 0
    if argv[:1] in (["-sc"], ["--shell-completion"]):
        from tcdflow.cli import completion

        return completion.main(argv[1:])
    if not set(HELP).isdisjoint(argv):
        from tcdflow.cli import help as helping

        return helping.main([verb.name] if verb else [])
    if "--version" in argv:
        print(f"tcdflow {__version__}")
        return 0
    _check_working_directory()
    _check_variables()
    if verb is not None:
        return verb.module.main(argv[1:])
    from tcdflow.cli import run

    return run.main(argv)


def _check_working_directory() -> None:
    """Say so if the working directory is gone, which libraries answer with errors of their own.

    Raises:
        RequestError: if it is.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise RequestError(
            f"the working directory is not there: {error.strerror}; change to another one (cd)"
        ) from None


def _check_variables() -> None:
    """Refuse what says nothing, before somebody waits for it to do something.

    Raises:
        ConfigError: if it does.
    """
    said = os.environ.get(WARM, "")
    if said not in ("", "0", "1"):
        raise ConfigError([Problem(WARM, "is 1 (start a warm process if there is none) or 0 (use none)", said)])


def _fetching(argv: Sequence[str]) -> str:
    """Return the command that fetches what a command has lacked: its words, without the flags that fetch has not."""
    verb = VERBS.get(argv[0]) if argv else None
    parsers = [each.module.parser() for each in (verb, VERBS["fetch"]) if each is not None]
    flags = [{name: action.nargs for action in parser.flags() for name in action.option_strings} for parser in parsers]
    own = {name: nargs for name, nargs in flags[0].items() if name not in flags[-1]}
    words = list(argv[1:] if verb else argv)
    kept = [
        word for before, word in zip(["", *words], words, strict=False) if word not in own and own.get(before, 0) == 0
    ]
    return one_line(unsigned(f"HF_HUB_OFFLINE=0 tcdflow fetch {shlex.join(kept)}"))


def message(error: BaseException) -> str:
    """Return what a person is told of an error, by the name of the command."""
    text = unsigned(str(error))
    if isinstance(error, TcdflowError):
        return _listed(text) if "\n" in text else f"tcdflow: {printable(text)}"
    reason = joined(text) or type(error).__name__
    if isinstance(error, RuntimeError) and out_of_memory(error):  # torch's, of a CPU too
        what = "a smaller image or runtime.batch_size takes less, and on a card runtime=low_memory"
        return f"tcdflow: failed: out of memory ({shortened(reason, _MOST_SHOWN)}); {what}"
    if isinstance(error, MemoryError | ImportError | OSError) and _NO_MEMORY.search(f"{type(error).__name__} {text}"):
        return f"tcdflow: failed: out of memory ({reason})"
    return f"tcdflow: failed: {type(error).__name__}: {reason} ({DEBUG}=1 shows where)"


def _listed(text: str) -> str:
    lines = text.split("\n")
    return "\n".join([f"tcdflow: {len(lines)} things are wrong:", *(f"  {printable(line)}" for line in lines)])
