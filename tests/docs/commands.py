"""Runs tcdflow commands one after the other in this process, as a terminal would: ``python -m tests.docs.commands``.

Standard input holds a JSON list of argument lists, or of Python programs as text; standard output gets a JSON list of
[status, output] pairs.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Sequence

from tcdflow.cli.command import dispatch


def run(program: str) -> int:
    """Run Python, and say whether it went well."""
    try:
        exec(compile(program, "<page>", "exec"), {"__name__": "__main__"})
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def answers(commands: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Return status and output of each command or program."""
    found = []
    for command in commands:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            status = run(command) if isinstance(command, str) else dispatch(command)
        found.append((status, shown.getvalue()))
    return found


if __name__ == "__main__":
    json.dump(answers(json.load(sys.stdin)), sys.stdout)
