"""Imports what takes seconds, then forks a ``tcdflow`` for each line that a client sends, an :class:`Order` in JSON.

Of each it tells the process id at once, and the exit status at its end. Only the imports are saved: a forked process
goes through ``main``, signal handlers and all, as one that the console script starts. Each client, which is a process
that runs tests, is served by a fork of its own, one order at a time; after the last has gone all end.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import socket
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO


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


def main(path: str) -> None:
    """Serve a socket in the background, and return when clients can connect."""
    _import_all()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    if not os.fork():
        _serve(listening, Path(path))
        os._exit(0)


def _import_all() -> None:
    import numpy  # noqa: F401
    import peft  # noqa: F401
    import torch
    from diffusers import StableDiffusionPipeline, TCDScheduler  # noqa: F401
    from PIL import Image

    import tcdflow.cli.rerun
    import tcdflow.cli.resume
    import tcdflow.engine.engine
    import tcdflow.gallery.write  # noqa: F401
    from tcdflow.config.compose import Composer

    Image.init()
    torch.set_num_threads(1)  # a pool of threads would not live through a fork
    Composer().compose([])
    gc.freeze()


def _serve(listening: socket.socket, path: Path) -> None:
    """Fork for each client, until all of them have gone."""
    clients: set[int] = set()
    begun = time.monotonic()
    while clients or path.exists() or select.select([listening], [], [], 0)[0]:
        if select.select([listening], [], [], 0.5)[0]:
            channel, _ = listening.accept()
            pid = os.fork()
            if not pid:
                listening.close()
                _listen_to(channel)
                os._exit(0)
            clients.add(pid)
            channel.close()
        gone = {pid for pid in clients if os.waitpid(pid, os.WNOHANG) != (0, 0)}
        clients -= gone
        if not clients and (gone or time.monotonic() > begun + 60):
            path.unlink(missing_ok=True)


def _listen_to(channel: socket.socket) -> None:
    """Obey a client's orders, one at a time, until it hangs up."""
    with channel.makefile("r", encoding="utf-8") as orders, channel.makefile("w", encoding="utf-8") as answers:
        for line in orders:
            pid = os.fork()
            if not pid:
                os.close(channel.detach())
                _obey(Order(**json.loads(line)))
            _tell(answers, pid)
            _, code = os.waitpid(pid, 0)
            _tell(answers, os.waitstatus_to_exitcode(code))


def _obey(order: Order) -> None:
    import torch

    from tcdflow.cli import main as tcdflow_main
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


def _tell(answers: TextIO, number: int) -> None:
    answers.write(f"{number}\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
