"""Processes that are started at once, and file systems that are full or cannot be written."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

from tcdflow.record import document
from tcdflow.record.document import Record

Mount = Callable[[str], AbstractContextManager[Path]]


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """An empty directory to work in."""
    where = tmp_path / "here"
    where.mkdir()
    return where


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
