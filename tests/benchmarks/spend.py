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
from resource import struct_rusage
from typing import IO, Any, NamedTuple

_PR_SET_PDEATHSIG = 1


class Spent(NamedTuple):
    """What a process took, by what the kernel counted of it.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of CPU, of those that it waited for too.
        memory: its peak in GB, or that of the largest of them.
        printed: what it printed.
    """

    wall: float
    cpu: float
    memory: float = 0.0
    printed: str = ""


def spend(command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, timeout: float = 1200) -> Spent:
    """Run a command to its end.

    Raises:
        RuntimeError: if it fails or takes too long, with the last line that it said.
    """
    name = Path(command[0]).name
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        with started(command, env, cwd, out, err) as process:
            used = _ended(process, start + timeout)
            wall = time.perf_counter() - start
        if used is None:
            raise RuntimeError(f"{name} took over {timeout:.0f} s")
        printed, said = _whole(out), _whole(err).splitlines()
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}: {said[-1] if said else ''}")
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9, printed)


@contextmanager
def started(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None = None,
    out: Any = subprocess.DEVNULL,
    err: Any = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that ends with the block, and what it has started in its group too.

    If this process is killed meanwhile, the kernel tells it to end.

    Args:
        command: of it.
        env: its variables.
        cwd: where it works.
        out: where what it prints goes.
        err: where its messages go.
    """
    prctl = ctypes.CDLL(None).prctl  # found here: the child does nothing but call it
    process = subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdout=out,
        stderr=err,
        start_new_session=True,
        preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ended(process: subprocess.Popen[bytes], deadline: float) -> struct_rusage | None:
    """Wait as wait4 can, which alone tells what one child has used; None if it does not end in time."""
    while time.perf_counter() < deadline:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.002)
    return None


def _whole(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()
