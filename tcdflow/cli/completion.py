"""Shell completion: ``tcdflow -sc install=bash|zsh|fish`` prints the script that a shell evaluates, which asks
``-sc query=SHELL`` at each Tab. Imports no Hydra and no pydantic where the words are remembered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from tcdflow.cli.shells import SCRIPTS

_ASKED = re.compile("(install|uninstall|query)=(bash|zsh|fish)")


def main(words: Sequence[str]) -> int:
    """Print a script, or what can stand at the cursor of ``COMP_LINE``; nothing if anything goes wrong with that.

    Raises:
        ConfigError: if it is asked for in another way.
    """
    asked = _ASKED.fullmatch(words[0]) if len(words) == 1 else None
    if asked is None:
        from tcdflow.errors import ConfigError, Problem

        what = "requires one of install=SHELL, uninstall=SHELL and query=SHELL; shells are bash, zsh and fish"
        raise ConfigError([Problem("--shell-completion", what)])
    what, shell = asked.groups()
    if what == "query":
        _answer(shell)
    else:
        print(SCRIPTS[shell, what])
    return 0


def _answer(shell: str) -> None:
    from tcdflow.cli.candidates import at_cursor

    line = os.environ.get("COMP_LINE", "")
    point = os.environ.get("COMP_POINT", "")
    breaks = os.environ.get("COMP_WORDBREAKS", "") if shell == "bash" else ""
    try:
        found = at_cursor(line[: int(point)] if point.isdecimal() else line, breaks, escaped=shell == "bash")
    except Exception:  # a Tab says nothing of what is wrong
        return
    for one in found:
        print(one)
