"""The record of a run: written whole or not at all, true whatever happened, and read back as data."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tcdflow.errors import OutputError, RecordError
from tcdflow.record import atomic, document
from tcdflow.record.document import FILE_NAME, Output
from tcdflow.record.key import run_key
from tcdflow.record.room import Room
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tcdflow.spec.model import RunSpec
from tests.helpers import left_behind
from tests.quick.record.outputs import LOCK, a_spec, an_image, write

CONTRACT = {
    "schema_version", "key", "status", "spec", "overrides", "lock", "environment", "execution", "outputs", "error",
}  # fmt: skip


def one(seed: int = 7) -> Sample:
    return Sample((an_image(seed),), seed)


def read_json(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / FILE_NAME).read_text("utf-8"))
    return found


class TestAtomic:
    """A file is there whole, or not there under its name."""

    def test_it_is_written_and_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        for data in (b"one", b"\x00" * 100_000, b""):
            atomic.write_bytes(path, data)
            assert path.read_bytes() == data
        assert left_behind(tmp_path) == ["a.bin"]

    def test_it_gets_the_permissions_of_any_new_file(self, tmp_path: Path) -> None:
        atomic.write_bytes(tmp_path / "ours", b"")
        (tmp_path / "other").touch()
        modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "other")}
        assert len(modes) == 1

    @pytest.mark.parametrize("before", [None, b"old"])
    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_a_crash_leaves_what_was_there(
        self, step: str, before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process dies before the rename: nothing of the new bytes stands under the final name."""
        path = tmp_path / "a.bin"
        if before is not None:
            path.write_bytes(before)

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(*((os, "fsync", die) if step == "fsync" else (Path, "replace", die)))
        with pytest.raises(KeyboardInterrupt):
            atomic.write_bytes(path, b"new")
        assert (path.read_bytes() if path.exists() else None) == before

    def test_a_full_disk_is_told_and_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        path = tmp_path / "a.bin"
        with pytest.raises(OutputError, match=r"a\.bin: cannot be written: No space left on device"):
            atomic.write_bytes(path, b"new")
        assert left_behind(tmp_path) == []

    def test_a_directory_that_is_gone_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="cannot be written"):
            atomic.write_bytes(tmp_path / "gone" / "a.bin", b"")

    def test_no_reader_ever_sees_a_part(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        versions = [bytes([n]) * 50_000 for n in range(20)]
        atomic.write_bytes(path, versions[0])
        done = threading.Event()
        seen: set[bytes] = set()

        def reader() -> None:
            while not done.is_set():
                seen.add(path.read_bytes())

        thread = threading.Thread(target=reader)
        thread.start()
        for data in versions:
            atomic.write_bytes(path, data)
        done.set()
        thread.join()
        assert seen
        assert seen <= set(versions)


class TestContract:
    """What ``run.json`` holds, and that it is read back as it was written."""

    def test_it_has_the_keys_of_schema_1(self, tmp_path: Path) -> None:
        write(tmp_path, a_spec(), [one()])
        plain = read_json(tmp_path)
        assert plain.keys() >= CONTRACT
        assert (plain["schema_version"], plain["status"], plain["error"]) == (1, "done", None)
        assert RunSpec.model_validate(plain["spec"]) == a_spec()

    def test_reading_gives_what_was_written(self, tmp_path: Path) -> None:
        record = write(tmp_path, a_spec(), [one(1), one(2)])
        assert document.read(tmp_path) == record
        record.write(tmp_path)
        assert document.read(tmp_path) == record

    def test_outputs_have_the_hashes_of_their_files_and_pixels(self, tmp_path: Path) -> None:
        record = write(tmp_path, a_spec(), [one(1), one(2), one(3)])
        assert [output.seed for output in record.outputs] == [1, 2, 3]
        for output in record.outputs:
            path = tmp_path / output.file
            assert hashlib.sha256(path.read_bytes()).hexdigest() == output.sha256
            with Image.open(path) as image:
                assert image.mode == "RGB"
                assert hashlib.sha256(image.tobytes()).hexdigest() == output.pixel_sha256
                assert image.size == (output.width, output.height)

    def test_the_order_of_a_stack_survives(self, tmp_path: Path) -> None:
        loras = {name: {"source": "embedded:emoji/tcd_lora"} for name in ("zebra", "ant", "moth")}
        spec = RunSpec.model_validate(a_spec().model_dump(mode="json") | {"loras": loras})
        record = write(tmp_path, spec, [])
        assert list(RunSpec.model_validate(record.spec).loras) == ["zebra", "ant", "moth"]

    def test_nothing_in_it_names_the_machine_or_its_user(self, tmp_path: Path) -> None:
        write(tmp_path, a_spec(), [one()])
        text = (tmp_path / FILE_NAME).read_text("utf-8")
        assert str(Path.home()) not in text
        assert str(tmp_path) not in text
        assert os.uname().nodename not in text

    def test_what_was_said_is_kept_word_for_word(self, tmp_path: Path) -> None:
        said = ["prompt=a, 'b'", "sampling.steps=4"]
        with RunDirectory.open(tmp_path, a_spec(), overrides=said, choices={"base": "emoji"}, warnings=["w"]):
            pass
        record = document.read(tmp_path)
        assert (record.overrides, record.choices, record.warnings) == (said, {"base": "emoji"}, ["w"])

    def test_times_say_their_zone(self, tmp_path: Path) -> None:
        record = write(tmp_path, a_spec(), [])
        assert record.finished is not None
        assert record.started.endswith("+00:00")
        assert record.started <= record.finished

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ({"schema_version": 2}, "schema_version"),
            ({"status": "fine"}, "status"),
            ({"unknown": 1}, "unknown"),
            ({"outputs": [{"file": "../x.png"}]}, "outputs.0.file"),
            ({"spec": None}, "spec"),
            ({"started": 5}, "started"),
        ],
    )
    def test_another_record_is_refused(self, change: dict[str, Any], what: str, tmp_path: Path) -> None:
        write(tmp_path, a_spec(), [])
        (tmp_path / FILE_NAME).write_text(json.dumps(read_json(tmp_path) | change))
        with pytest.raises(RecordError, match=f"is not a record of schema 1: {what}"):
            document.read(tmp_path)

    @given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    def test_any_bytes_are_a_record_or_an_error(self, data: bytes, tmp_path: Path) -> None:
        (tmp_path / FILE_NAME).write_bytes(data)
        with pytest.raises(RecordError):
            document.read(tmp_path)

    def test_a_huge_one_is_not_even_read(self, tmp_path: Path) -> None:
        with (tmp_path / FILE_NAME).open("wb") as file:
            file.truncate(document.MAX_BYTES + 1)
        with pytest.raises(RecordError, match="larger than"):
            document.read(tmp_path)


class TestStatus:
    """The status says what happened."""

    def test_running_from_the_first_moment(self, tmp_path: Path) -> None:
        with RunDirectory.open(tmp_path / "deep" / "down", a_spec()):
            record = document.read(tmp_path / "deep" / "down")
            assert (record.status, record.finished, record.error) == ("running", None, None)

    def test_done(self, tmp_path: Path) -> None:
        record = write(tmp_path, a_spec(), [one()])
        assert (record.status, record.error) == ("done", None)
        assert record.key is not None

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (KeyboardInterrupt(), "interrupted"),
            (ValueError("too bad"), "failed"),
            (SystemExit(3), "failed"),
            (MemoryError(), "failed"),
            (OutputError("disk full"), "failed"),
        ],
    )
    def test_what_is_raised_is_told_and_goes_on(self, error: BaseException, status: str, tmp_path: Path) -> None:
        with pytest.raises(type(error)), RunDirectory.open(tmp_path, a_spec()):
            raise error
        record = document.read(tmp_path)
        assert (record.status, record.finished is not None) == (status, True)
        assert record.error is not None
        assert (record.error.type, record.error.message) == (type(error).__name__, str(error) or type(error).__name__)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_an_interrupt_while_it_is_written_down_that_it_is_done(
        self, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_down, presses = Room.write, iter([KeyboardInterrupt()])

        def pressed(room: Room, path: Path, content: bytes) -> None:
            if when == "after":
                write_down(room, path, content)
            if press := next(presses, None):
                raise press
            write_down(room, path, content)

        with pytest.raises(KeyboardInterrupt), RunDirectory.open(tmp_path, a_spec()) as run:
            run.save([one()])
            monkeypatch.setattr(Room, "write", pressed)
        record = document.read(tmp_path)
        assert (record.status, record.error, len(record.outputs)) == ("done", None, 1)

    def test_images_that_were_saved_before_a_failure_stay_listed(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="late"), RunDirectory.open(tmp_path, a_spec()) as run:
            run.save([one()])
            raise ValueError("late")
        assert [output.file for output in document.read(tmp_path).outputs] == ["000.png"]

    def test_a_long_message_is_cut(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="x"), RunDirectory.open(tmp_path, a_spec()):
            raise ValueError("x" * 100_000)
        record = document.read(tmp_path)
        assert record.error is not None
        assert len(record.error.message) == 4000

    def test_a_record_that_cannot_be_finished_does_not_say_done(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(OutputError), RunDirectory.open(tmp_path, a_spec()):
            monkeypatch.setattr(os, "fsync", failing)
        assert document.read(tmp_path).status == "running"

    def test_the_runs_own_error_matters_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValueError, match="the reason"), RunDirectory.open(tmp_path, a_spec()):
            monkeypatch.setattr(os, "fsync", failing)
            raise ValueError("the reason")

    def test_a_directory_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be made"), RunDirectory.open(tmp_path / "file" / "x", a_spec()):
            pass


def failing(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestEarlierRuns:
    """A second run in a directory removes what the first made, and nothing else."""

    def test_its_images_go(self, tmp_path: Path) -> None:
        write(tmp_path, a_spec(), [one(1), one(2), one(3)], {"mask": an_image()})
        write(tmp_path, a_spec(), [one(4)])
        assert left_behind(tmp_path) == ["000.png", FILE_NAME]

    def test_what_others_put_there_stays(self, tmp_path: Path) -> None:
        write(tmp_path, a_spec(), [one()])
        for name in ("notes.txt", "001.png", "photo.png", "inputs/mine.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("mine")
        write(tmp_path, a_spec(), [one()])
        assert left_behind(tmp_path) == [
            "000.png",
            "001.png",
            "inputs",
            "inputs/mine.png",
            "notes.txt",
            "photo.png",
            FILE_NAME,
        ]

    @pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
    def test_an_unfinished_run_leaves_no_image_behind_either(self, status: str, tmp_path: Path) -> None:
        record = write(tmp_path, a_spec(), [one()])
        record.model_copy(update={"status": status}).write(tmp_path)
        with RunDirectory.open(tmp_path, a_spec()):
            assert left_behind(tmp_path) == [FILE_NAME]

    @pytest.mark.parametrize(
        "name", ["../outside.png", "/etc/outside.png", "sub/000.png", "thesis.txt", "run.log", ".hydra", "photo.png"]
    )
    def test_an_untrusted_record_removes_nothing_that_no_run_writes(self, name: str, tmp_path: Path) -> None:
        directory = tmp_path / "run"
        record = write(directory, a_spec(), [one()])
        (directory / "000.png").unlink()
        (directory / "sub").mkdir()
        mine = {
            tmp_path / "outside.png",
            *(directory / n for n in ("sub/000.png", "thesis.txt", "run.log", "photo.png")),
        }
        for path in mine:
            path.write_text("mine")
        plain = record.model_dump(mode="json")
        plain["outputs"][0]["file"] = name
        (directory / FILE_NAME).write_text(json.dumps(plain))
        with RunDirectory.open(directory, a_spec()):
            assert all(path.exists() for path in mine)

    def test_a_link_is_removed_and_not_followed(self, tmp_path: Path) -> None:
        directory = tmp_path / "run"
        write(directory, a_spec(), [one()])
        (tmp_path / "precious.png").write_text("mine")
        (directory / "000.png").unlink()
        (directory / "000.png").symlink_to(tmp_path / "precious.png")
        write(directory, a_spec(), [one()])
        assert (tmp_path / "precious.png").read_text() == "mine"
        assert not (directory / "000.png").is_symlink()

    @pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff"])
    def test_a_damaged_record_is_written_over(self, damage: bytes, tmp_path: Path) -> None:
        write(tmp_path, a_spec(), [one()])
        (tmp_path / FILE_NAME).write_bytes(damage)
        assert write(tmp_path, a_spec(), [one()]).status == "done"


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (lambda o: o, True),
        (lambda o: o | {"file": "a/b.png"}, False),
        (lambda o: o | {"file": "..png"}, False),
        (lambda o: o | {"file": "000.png\n"}, False),
        (lambda o: o | {"file": "0" * 200}, False),
        (lambda o: o | {"extra": 1}, False),
        (lambda o: {k: v for k, v in o.items() if k != "pixel_sha256"}, False),
    ],
)
def test_an_output_is_a_plain_name_with_both_hashes(
    change: Callable[[dict[str, Any]], dict[str, Any]], accepted: bool
) -> None:
    plain = {"file": "000.png", "sha256": "a", "pixel_sha256": "b", "width": 1, "height": 1, "seed": 0}
    if accepted:
        assert Output.model_validate(change(plain)).file == "000.png"
    else:
        with pytest.raises(ValueError, match="validation error"):
            Output.model_validate(change(plain))


def test_the_key_comes_with_the_lock(tmp_path: Path) -> None:
    with RunDirectory.open(tmp_path, a_spec()) as run:
        before = run.record.key
        run.lock(LOCK)
        assert (before, run.record.key) == (None, run_key(a_spec(), LOCK))
        assert run.record.lock == list(LOCK)
