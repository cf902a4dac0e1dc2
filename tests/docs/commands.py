"""Runs tcdflow commands one after the other in this process, as a terminal would: ``python -m tests.docs.commands``.

With ``warm`` behind it they share an engine, as the lines of ``tcdflow shell`` do. Standard input holds a JSON list of
argument lists, or of Python programs as text; standard output gets a JSON list of [status, output] pairs.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback

from tcdflow.cli.engines import shared
from tcdflow.cli.main import dispatch


def run(program: str) -> int:
    """Run Python, and say whether it went well."""
    try:
        exec(compile(program, "<page>", "exec"), {"__name__": "__main__"})
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    results = []
    with shared() if sys.argv[1:] == ["warm"] else contextlib.nullcontext():
        for argv in json.load(sys.stdin):
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
                status = run(argv) if isinstance(argv, str) else dispatch(argv)
            results.append([status, shown.getvalue()])
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
