"""Imports what takes seconds, then forks a ``tcdflow`` for each line of arguments.

Of each it tells the process id at once, and the exit status at its end.
"""

from __future__ import annotations

import gc
import json
import os
import sys


def main() -> None:
    import peft  # noqa: F401
    import torch
    from diffusers import StableDiffusionPipeline, TCDScheduler  # noqa: F401

    import tcdflow.engine.engine  # noqa: F401
    from tcdflow.cli.main import dispatch

    torch.set_num_threads(1)  # a pool of threads would not live through a fork
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1):
                os.dup2(nowhere, number)
            status = 70
            try:
                status = dispatch(json.loads(line))
            finally:
                os._exit(status)
        _tell(pid)
        _, code = os.waitpid(pid, 0)
        _tell(os.waitstatus_to_exitcode(code))


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
