"""What a command costs: seconds on the clock, and of the processors."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

_PR_SET_PDEATHSIG = 1


class Spent(NamedTuple):
    """Seconds on the clock, and seconds of CPU of a process and of those that it waited for."""

    wall: float
    cpu: float


def spend(command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, timeout: float = 1200) -> Spent:
    """Run a command to its end.

    Raises:
        RuntimeError: if it fails or takes too long, with the last line that it said.
    """
    name = Path(command[0]).name
    with tempfile.TemporaryFile("w+") as err, started(command, env, cwd, err=err) as process:
        start = time.perf_counter()
        cpu = _ended(process, start + timeout)
        if cpu is None:
            raise RuntimeError(f"{name} took over {timeout:.0f} s")
        wall = time.perf_counter() - start
        err.seek(0)
        said = err.read().strip().splitlines() or [""]
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}: {said[-1]}")
    return Spent(wall, cpu)


@contextmanager
def started(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None = None,
    out: int = subprocess.DEVNULL,
    err: Any = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that ends with the block, and what it has started in its group too.

    If this process is killed meanwhile, the kernel tells it to end.

    Args:
        command: of it.
        env: its variables.
        cwd: where it works.
        out: where what it prints goes.
        err: where its messages go; nowhere by default.
    """
    prctl = ctypes.CDLL(None).prctl  # found here: the child does nothing but call it
    process = subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdout=out,
        stderr=subprocess.DEVNULL if err is None else err,
        start_new_session=True,
        preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ended(process: subprocess.Popen[bytes], deadline: float) -> float | None:
    """Wait as wait4 can, which alone tells what one child has used; None if it does not end in time."""
    while time.perf_counter() < deadline:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime
        time.sleep(0.002)
    return None
