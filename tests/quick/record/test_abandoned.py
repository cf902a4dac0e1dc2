"""Half files in a directory that several may write in: those of a killed process go, those of a living one stay."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tcdflow.errors import OutputError
from tcdflow.record.atomic import PARTIAL, remove_abandoned, write_bytes
from tests.helpers import until


def halves(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{PARTIAL}*"))


def test_only_what_nobody_holds_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = os.fork()
    if not pid:
        try:
            monkeypatch.setattr(os, "fsync", lambda handle: signal.pause())
            write_bytes(tmp_path / "x", b"half")
        finally:
            os._exit(1)
    try:
        until(lambda: _held(tmp_path))
        remove_abandoned(tmp_path)
        assert len(halves(tmp_path)) == 1
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    remove_abandoned(tmp_path)
    assert halves(tmp_path) == []


def _held(directory: Path) -> bool:
    from tcdflow.files.exclusive import BusyError, lock

    for path in halves(directory):
        handle = os.open(path, os.O_RDWR)
        try:
            lock(handle)
        except BusyError:
            return True
        finally:
            os.close(handle)
    return False


def test_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / f"{PARTIAL}x").symlink_to(tmp_path / "precious")
    remove_abandoned(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_file_whose_half_is_taken_away_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, taken = Path.replace, list[Path]()

    def take_away_once(self: Path, target: Path) -> Path:
        if not taken:
            taken.append(self)
            self.unlink()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", take_away_once)
    write_bytes(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole" and len(taken) == 1
    with pytest.raises(OutputError, match="No such file"):
        write_bytes(tmp_path / "nowhere" / "x", b"whole")
