"""Locks of directories and files: one process at a time, and none once it is gone."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from tcdflow.errors import ConfigError
from tcdflow.files.exclusive import BusyError, lock
from tcdflow.record.rundir import held
from tcdflow.sweeps.directory import alone
from tests.helpers import environment, left_behind

HOLD = """
import os, sys
from tcdflow.files.exclusive import lock
print(lock(os.open(sys.argv[1], os.O_RDONLY)), flush=True)
sys.stdin.read()
"""


@contextmanager
def opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


@pytest.fixture(params=["a file", "a directory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "held"
    path.touch() if request.param == "a file" else path.mkdir()
    return path


def test_one_at_a_time(path: Path) -> None:
    with opened(path) as first, opened(path) as second:
        assert lock(first)
        with pytest.raises(BusyError):
            lock(second)
    with opened(path) as third:
        assert lock(third)
    assert left_behind(path.parent) == ["held"]


def test_a_killed_process_holds_nothing(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process, opened(path) as handle:
        assert process.stdout is not None and process.stdout.readline() == b"True\n"
        with pytest.raises(BusyError):
            lock(handle)
        process.kill()
        process.wait()
        assert lock(handle)


class TestWithoutLocks:
    """Some file systems have none: a run goes on, and a sweep says so."""

    @pytest.fixture(autouse=True)
    def none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(fd: int, *, blocking: bool) -> bool:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(filelock, "lock_descriptor", refuse)

    def test_a_run(self, tmp_path: Path) -> None:
        with held(tmp_path / "run"), held(tmp_path / "run"):
            pass

    def test_a_sweep(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING), alone(tmp_path / "sweep"):
            assert "see to it that no other process runs it" in caplog.text


def test_a_sweep_is_run_once(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ConfigError, match="another process is running"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
