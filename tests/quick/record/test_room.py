"""Room for records: runs that follow each other share it, and each that ends on a full disk says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcdflow.errors import NoRoomError, OutputError
from tcdflow.record import atomic, document, room
from tcdflow.record.room import Room, Rooms
from tcdflow.record.rundir import RunDirectory
from tests.quick.record.outputs import a_spec


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the rooms that were taken."""
    sizes: list[int] = []
    real = os.posix_fallocate

    def fallocate(handle: int, start: int, size: int) -> None:
        sizes.append(size)
        real(handle, start, size)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    return sizes


def full(path: Path, data: bytes) -> None:
    raise NoRoomError(f"{path}: disk full")


def test_runs_that_follow_each_other_take_it_once(tmp_path: Path, taken: list[int]) -> None:
    rooms = Rooms()
    for number in range(3):
        RunDirectory.begin(tmp_path / str(number), a_spec(), among=rooms).end()
    assert len(taken) == 1
    rooms.close()


def test_all_runs_of_a_batch_have_their_own(tmp_path: Path, taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = Rooms()
    runs = [RunDirectory.begin(tmp_path / str(number), a_spec(), among=rooms) for number in range(3)]
    monkeypatch.setattr(room, "write_bytes", full)
    for run in runs:
        run.end(NoRoomError("disk full"))
    assert [document.read(run.path).status for run in runs] == ["failed"] * 3 and len(taken) == 3
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [document.FILE_NAME] * 3
    monkeypatch.undo()
    RunDirectory.begin(tmp_path / "later", a_spec(), among=rooms).end()
    assert document.read(tmp_path / "later").status == "done"
    rooms.close()


def test_what_is_larger_has_the_room_in_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given back to the disk, and written as any file is."""
    calls: list[int] = []
    real = atomic.write_bytes

    def write(path: Path, data: bytes) -> None:
        calls.append(len(data))
        if len(calls) == 1:
            full(path, data)
        real(path, data)

    kept = Room(tmp_path / "run.json")
    monkeypatch.setattr(room, "write_bytes", write)
    kept.write(tmp_path / "run.json", bytes(100_000))
    assert (tmp_path / "run.json").stat().st_size == 100_000 and not kept.is_there
    monkeypatch.setattr(room, "write_bytes", full)
    with pytest.raises(OutputError):
        kept.write(tmp_path / "run.json", b"")
