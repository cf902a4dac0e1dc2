"""Where a command line begins: in a warm process if there is one, which takes milliseconds, or in this one."""

from __future__ import annotations

import os
import sys

from tcdflow.engine.threads import set_spinning
from tcdflow.warm import client

TYPE_CHECKING = False  # as typing has it, which takes long to import

if TYPE_CHECKING:
    from typing import NoReturn


def start() -> NoReturn:
    """Run the command line of this process and leave."""
    set_spinning()
    status = client.run(sys.argv[1:]) if client.wanted() else None
    if status is not None:
        os._exit(status)  # nothing was printed here that is not flushed, and nothing is to be taken apart
    from tcdflow.cli import command

    command.main()
