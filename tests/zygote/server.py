"""Imports what takes seconds, then forks a ``tcdflow`` for each line of input, an :class:`Order` in JSON.

Of each it tells the process id at once, and the exit status at its end. Only the imports are saved: a forked process
goes through ``main``, signal handlers and all, as one that the console script starts.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import tempfile
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Order:
    """A process to start.

    Attributes:
        argv: of tcdflow.
        cwd: working directory.
        out: file for standard output.
        err: file for standard error.
        closed: numbers of standard streams that are closed.
        env: the whole environment; OMP_NUM_THREADS is heeded, other variables that libraries read once are not.
        fsize: bytes that a file may have, or None.
        drawn: images are drawn at once by an engine without a model.
        before: name of a function of :mod:`tests.faults.twists`, called with ``twist`` first.
        twist: its argument.
    """

    argv: list[str]
    cwd: str
    out: str
    err: str
    closed: list[int] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    fsize: int | None = None
    drawn: bool = False
    before: str = ""
    twist: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    import numpy  # noqa: F401
    import peft  # noqa: F401
    import torch
    from diffusers import StableDiffusionPipeline, TCDScheduler  # noqa: F401

    import tcdflow.cli.rerun
    import tcdflow.cli.resume
    import tcdflow.engine.engine  # noqa: F401
    from tcdflow.config.compose import Composer

    torch.set_num_threads(1)  # a pool of threads would not live through a fork
    Composer().compose([])
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _obey(Order(**json.loads(line)))
        _tell(pid)
        _, code = os.waitpid(pid, 0)
        _tell(os.waitstatus_to_exitcode(code))


def _obey(order: Order) -> None:
    import torch

    from tcdflow.cli.main import main as tcdflow_main
    from tests.faults import twists

    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.env)
    torch.set_num_threads(int(order.env["OMP_NUM_THREADS"]))
    tempfile.tempdir = None  # which the parent has looked up
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, order.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        handle = os.open(path, flags, 0o666)
        os.dup2(handle, number)
        os.close(handle)
    for number in order.closed:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)  # as Python does that starts without
    if order.fsize is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.fsize, resource.RLIM_INFINITY))
    if order.drawn:
        twists.draw_at_once()
    if order.before:
        getattr(twists, order.before)(order.twist)
    sys.argv = ["tcdflow", *order.argv]
    tcdflow_main()


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
