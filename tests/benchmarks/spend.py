"""What a command costs: seconds on the clock, and of the processors."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds on the clock, and seconds of CPU of a process and of those that it waited for."""

    wall: float
    cpu: float


def spend(command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, timeout: float = 1200) -> Spent:
    """Run a command to its end.

    Raises:
        RuntimeError: if it fails or takes too long, with the last line that it said.
    """
    with tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=err)
        usage, status = _ended(process, start + timeout)
        wall = time.perf_counter() - start
        err.seek(0)
        said = err.read().strip().splitlines() or [""]
    if status:
        raise RuntimeError(f"{Path(command[0]).name} ended with {status}: {said[-1]}")
    return Spent(wall, usage)


def _ended(process: subprocess.Popen[bytes], deadline: float) -> tuple[float, int]:
    """Wait as wait4 can, which alone tells what one child has used."""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, process.returncode
        if time.perf_counter() > deadline:
            process.kill()
        time.sleep(0.002)
