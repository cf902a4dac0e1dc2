"""Runs tcdflow commands one after the other in this process, as a terminal would: ``python -m tests.docs.commands``.

Standard input holds a JSON list of argument lists; standard output gets a JSON list of [status, output] pairs.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from tcdflow.cli.main import dispatch


def main() -> None:
    results = []
    for argv in json.load(sys.stdin):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            status = dispatch(argv)
        results.append([status, shown.getvalue()])
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
