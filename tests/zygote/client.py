"""Starts ``tcdflow`` in processes that need not import torch and diffusers first, which takes seconds."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.helpers import Answer, environment
from tests.zygote.server import Order

_ONE_THREAD = {"OMP_NUM_THREADS": "1"}
_SPINNING = {"GOMP_SPINCOUNT": "10000"}
"""As the console script has it: threads that spin for longer fight for the cores with other processes."""


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
    """A process that has imported everything, and forks a ``tcdflow`` for each order, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = itertools.count()
        self._last: Started | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote.server"],
            env=environment(_ONE_THREAD | _SPINNING),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

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
        assert self._process.stdin is not None
        self._process.stdin.write(told.line())
        self._process.stdin.flush()
        self._last = Started(self.read(), self, out, err)
        return self._last

    def run(self, *argv: str, cwd: Path, **order: Any) -> Answer:
        """Start a command and wait for its end."""
        return self.start(*argv, cwd=cwd, **order).end()

    def read(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _end_last(self) -> None:
        """End what a test that failed has left running."""
        if self._last is not None and not self._last.told:
            self._last.send(signal.SIGKILL)
            self._last.end()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._end_last()
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
