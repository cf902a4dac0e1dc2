"""Processes that are started at once, and file systems that are full or cannot be written."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from tcdflow.record import document
from tcdflow.record.document import Record
from tests.faults.zygote import Order
from tests.helpers import environment

Mount = Callable[[str], AbstractContextManager[Path]]


@dataclass(frozen=True)
class ParsedOverride:
    """What a process answered."""

    status: int
    out: str
    err: str

    def line(self) -> str:
        """The one line that it said on standard error."""
        (line,) = self.err.splitlines()
        return line


@dataclass
class Started:
    """A process under way."""

    pid: int
    _zygote: Zygote
    _out: Path
    _err: Path

    def send(self, number: int) -> bool:
        """Send a signal; False if the process is through."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def end(self) -> ParsedOverride:
        return ParsedOverride(self._zygote.read(), *(path.read_text("utf-8") for path in (self._out, self._err)))


class Zygote:
    """Starts ``tcdflow`` with its imports done already, one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = itertools.count()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            env=environment({"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *argv: str, cwd: Path, **order: Any) -> Started:
        out, err = (self._folder / f"{next(self._names)}" for _ in range(2))
        out.touch()
        err.touch()
        said = Order(list(argv), str(cwd), **{"out": str(out), "err": str(err)} | order)
        assert self._process.stdin is not None
        self._process.stdin.write(said.line())
        self._process.stdin.flush()
        return Started(self.read(), self, out, err)

    def read(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """An empty directory to work in."""
    where = tmp_path / "here"
    where.mkdir()
    return where


@pytest.fixture(scope="package")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    process = Zygote(tmp_path_factory.mktemp("said"))
    yield process
    process.close()


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    """Mount a small file system in memory, with options of mount(8), for a while."""

    @contextmanager
    def mounted(options: str) -> Iterator[Path]:
        where = tmp_path / "mounted"
        where.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        try:
            yield where
        finally:
            subprocess.run(["umount", "-l", str(where)], check=True)

    return mounted


def remount(where: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(where)], check=True)


def records(directory: Path) -> list[Record]:
    """All records below a directory, each of which must be whole, and true of what lies beside it.

    What bears a final name must be whole: images can be decoded, and those of a run that is done have their hash.
    """
    found = []
    for path in sorted(directory.rglob("*.png")):
        with Image.open(path) as image:
            image.load()
    for path in sorted(directory.rglob("run.json")):
        record = document.read_file(path)
        found.append(record)
        if record.status == "done":
            assert record.outputs and record.error is None
            for output in record.outputs:
                assert hashlib.sha256((path.parent / output.file).read_bytes()).hexdigest() == output.sha256
    for path in directory.rglob(".hydra/*.yaml"):
        assert path.stat().st_size and OmegaConf.load(path) is not None
    return found


def partial(directory: Path) -> list[str]:
    return [str(path) for path in directory.rglob(".partial-*")]
