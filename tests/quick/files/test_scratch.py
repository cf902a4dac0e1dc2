"""What is half written belongs to a process, and goes with it or is removed by the next one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcdflow.files.scratch import PREFIX, remove_abandoned, scratch
from tests.helpers import until


def left(parent: Path) -> list[str]:
    return [path.name for path in parent.iterdir()]


@contextmanager
def another_process(parent: Path) -> Iterator[int]:
    """A process that has a folder there and waits."""
    pid = os.fork()
    if not pid:
        try:
            with scratch(parent) as folder:
                (folder / "half").write_text("...")
                signal.pause()
        finally:
            os._exit(1)
    try:
        until(lambda: any((folder / "half").exists() for folder in parent.iterdir()))
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_it_goes_at_the_end(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        (folder / "inner").mkdir()
        assert left(tmp_path) == [folder.name]
    assert left(tmp_path) == []


def test_that_of_a_killed_process_is_removed_and_no_other(tmp_path: Path) -> None:
    (tmp_path / ".partial-mine").mkdir()
    with another_process(tmp_path):
        remove_abandoned(tmp_path)
        assert len(left(tmp_path)) == 2
    assert len(left(tmp_path)) == 2
    with scratch(tmp_path):
        pass
    assert left(tmp_path) == [".partial-mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / f"{PREFIX}link").symlink_to(tmp_path / "precious")
    (tmp_path / "here" / f"{PREFIX}dead").mkdir()
    (tmp_path / "here" / f"{PREFIX}dead" / "link").symlink_to(tmp_path / "precious")
    with scratch(tmp_path / "here"):
        pass
    assert left(tmp_path / "here") == [f"{PREFIX}link"] and (tmp_path / "precious").is_dir()


def test_several_at_once_clear_up_nothing_of_each_other(tmp_path: Path) -> None:
    wrong: list[str] = []

    def work() -> None:
        for _ in range(50):
            remove_abandoned(tmp_path)
            with scratch(tmp_path) as folder:
                (folder / "x").write_text("x")
                if left(folder) != ["x"]:
                    wrong.append(folder.name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and left(tmp_path) == []


def test_a_parent_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError), scratch(tmp_path / "nowhere"):
        pass
