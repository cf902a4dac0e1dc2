"""Starts ``tcdflow`` in processes that need not import torch and diffusers first, which takes seconds."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.helpers import Answer, environment
from tests.zygote.server import Order

_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@dataclass
class Started:
    """A process under way."""

    pid: int
    _zygote: Zygote
    _out: Path
    _err: Path
    _answer: Answer | None = field(default=None, init=False)

    @property
    def told(self) -> bool:
        """Whether its end has been waited for."""
        return self._answer is not None

    def send(self, number: int) -> bool:
        """Send a signal; False if the process is through."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def ended(self) -> bool:
        """Whether the process is through."""
        return not self.send(0)

    def end(self) -> Answer:
        """Wait for its end."""
        if self._answer is None:
            status = self._zygote.read()
            self._answer = Answer(status, *(path.read_text("utf-8") for path in (self._out, self._err)))
        return self._answer


class Zygote:
    """A process that has imported everything, and forks a ``tcdflow`` for each order, one at a time.

    The first process that asks starts it, and all that share a run of the tests share it.

    Args:
        folder: for what commands write on their standard streams.
        lock: a file that those processes share.
    """

    def __init__(self, folder: Path, lock: Path) -> None:
        self._folder = folder
        self._names = itertools.count()
        self._last: Started | None = None
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
        with FileLock(lock):
            # Not beside the lock, since paths of sockets must be short.
            channel = _connected(Path(tempfile.gettempdir()) / f"tcdflow-{run[:16]}")
        self._orders = channel.makefile("w", encoding="utf-8")
        self._answers = channel.makefile("r", encoding="utf-8")
        channel.close()

    def start(self, *argv: str, cwd: Path, **order: Any) -> Started:
        """Start a command.

        Args:
            argv: of tcdflow.
            cwd: its working directory.
            order: other fields of :class:`Order`; ``env`` is set on top of this process's environment and one thread.
        """
        env: dict[str, str] = order.pop("env", {})
        assert not any(name.startswith("HF_") for name in env), "which was read at the import"
        self._end_last()
        out, err = (self._folder / f"{next(self._names)}" for _ in range(2))
        out.touch()
        err.touch()
        files = {"out": str(out), "err": str(err)}
        told = Order(list(argv), str(cwd), env=environment(_ONE_THREAD | env), **files | order)
        self._orders.write(told.line())
        self._orders.flush()
        self._last = Started(self.read(), self, out, err)
        return self._last

    def run(self, *argv: str, cwd: Path, **order: Any) -> Answer:
        """Start a command and wait for its end."""
        return self.start(*argv, cwd=cwd, **order).end()

    def answers(
        self, commands: Sequence[Sequence[str]], *, cwd: Path, warm: bool, hub: Path | None = None, **order: Any
    ) -> list[tuple[int, str]]:
        """Run commands, or Python programs as text, in one process: the status and output of each.

        Args:
            commands: arguments of tcdflow.
            cwd: their working directory.
            warm: they share an engine, as the lines of a shell do.
            hub: the hub cache that they find, offline.
            order: as of :meth:`start`.
        """
        said = json.dumps({"commands": commands, "warm": warm, "hub": hub and str(hub)})
        done = self.run(cwd=cwd, before="answer_each", twist=said, **order)
        assert done.status == 0, done.err
        return [(status, shown) for status, shown in json.loads(done.out)]

    def read(self) -> int:
        return int(self._answers.readline())

    def _end_last(self) -> None:
        """End what a test that failed has left running."""
        if self._last is not None and not self._last.told:
            self._last.send(signal.SIGKILL)
            self._last.end()

    def close(self) -> None:
        """Hang up, after which it ends unless others use it."""
        self._end_last()
        self._orders.close()
        self._answers.close()


def _connected(path: Path) -> socket.socket:
    """Connect to the process, and start it where there is none."""
    channel = socket.socket(socket.AF_UNIX)
    if channel.connect_ex(str(path)):
        path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.zygote.server", str(path)]
        subprocess.run(command, env=environment(_ONE_THREAD), check=True, timeout=240)
        channel.connect(str(path))
    return channel
