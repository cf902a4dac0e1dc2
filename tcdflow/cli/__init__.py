"""The command line: one short file a verb."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing has it, which takes long to import

if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and leave, quietly too if a Ctrl-C comes before there is who answers it."""
    try:
        from tcdflow.cli.start import start

        start()
    except BaseException as error:
        from tcdflow.errors import by_interrupt

        if not by_interrupt(error):
            raise
        print("tcdflow: interrupted", file=sys.stderr)
        os._exit(130)  # nothing was begun that is to be taken apart
