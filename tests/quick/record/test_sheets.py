"""Inputs and contact sheets, and what is cleared when a directory is used again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tcdflow.errors import RecordError
from tcdflow.record import document
from tcdflow.record.grid import MAX_SIDE, sheet
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import pixel_sha256
from tcdflow.record.sample import Sample
from tests.quick.record.outputs import a_spec, an_animation, an_image, write


def test_inputs_and_the_sheet_are_written_and_listed(tmp_path: Path) -> None:
    inputs = {"image": an_image(1), "mask": an_image(2).convert("L"), "control_canny": an_image(3).convert("1")}
    record = write(tmp_path, a_spec(), [Sample((an_image(),), 7)], inputs)
    assert [i.name for i in record.inputs] == list(inputs)
    assert [i.file for i in record.inputs] == ["inputs/image.png", "inputs/mask.png", "control_canny.png"]
    for given_, original in zip(record.inputs, inputs.values(), strict=True):
        assert given_.pixel_sha256 == pixel_sha256(original)
        assert given_.sha256 == hashlib.sha256((tmp_path / given_.file).read_bytes()).hexdigest()
        with Image.open(tmp_path / given_.file) as image:
            assert (image.mode, image.size) == ("RGB", (given_.width, given_.height))
    assert record.grid is not None
    assert record.grid.sha256 == hashlib.sha256((tmp_path / "grid.png").read_bytes()).hexdigest()
    assert [o.file for o in record.outputs] == ["000.png"]


@pytest.mark.parametrize(
    ("pictures", "inputs", "asked", "there"),
    [(1, 0, True, False), (2, 0, True, True), (1, 1, True, True), (3, 1, False, False), (0, 1, True, False)],
)
def test_a_sheet_is_made_when_there_is_something_to_compare(
    tmp_path: Path, pictures: int, inputs: int, asked: bool, there: bool
) -> None:
    made = [Sample((an_image(n),), n) for n in range(pictures)]
    record = write(tmp_path, a_spec({"grid": asked}), made, {f"image{n}": an_image() for n in range(inputs)})
    assert (tmp_path / "grid.png").exists() == (record.grid is not None) == there


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", ".x", "1", "a\n", "x" * 101])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name of an input"):
        write(tmp_path / "run", a_spec(), [], {name: an_image()})
    assert {p.name for p in tmp_path.rglob("*")} == {"run", "run.json"}


def test_a_sheet_of_mixed_sizes_cuts_and_overlaps_nothing() -> None:
    sizes = [(320, 200), (200, 320), (90, 60), (1000, 100), (64, 64)]
    colours = [(255, 0, 0), (0, 160, 0), (0, 0, 255), (200, 0, 200), (0, 160, 160)]
    tiles = [(f"tile {n}", Image.new("RGB", s, c)) for n, (s, c) in enumerate(zip(sizes, colours, strict=True))]
    page = sheet(tiles, 3)
    boxes = []
    for (width, height), colour in zip(sizes, colours, strict=True):
        flat = ImageChops.difference(page, Image.new("RGB", page.size, colour)).convert("L").point(lambda v: not v, "1")
        box = flat.getbbox()
        assert box is not None
        w, h = box[2] - box[0], box[3] - box[1]
        assert abs(w / h - width / height) < 0.05 * width / height
        boxes.append(box)
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize(
    ("count", "size", "columns"), [(1, (1, 1), None), (400, (128, 128), None), (7, (8192, 16), 2), (3, (8, 4096), 9)]
)
def test_a_sheet_stays_a_size_that_can_be_opened(count: int, size: tuple[int, int], columns: int | None) -> None:
    page = sheet([("seed 123456789012345678", Image.new("RGB", size, "red"))] * count, columns)
    assert max(page.size) <= MAX_SIDE


def test_a_label_is_cut_to_its_cell_and_cannot_break_a_line() -> None:
    tiles = [("x" * 300, an_image()), ("a\nb\x1b[31m\u202e", an_image())]
    page = sheet(tiles)
    assert page.getpixel((12 + 192 + 6, page.height - 20)) == (250, 250, 248)
    for bad in ([], [("a", an_image())]):
        with pytest.raises(ValueError, match="at least one"):
            sheet(bad, 0)


def test_an_earlier_run_is_cleared_of_all_it_wrote_and_of_nothing_else(tmp_path: Path) -> None:
    made = [Sample((an_image(n),), n) for n in range(2)]
    write(tmp_path, a_spec(), [*made, an_animation(2)], {"mask": an_image(), "control_depth": an_image()})
    (tmp_path / "notes.txt").write_text("mine")
    assert (tmp_path / "inputs").is_dir()
    write(tmp_path, a_spec(), [])
    assert {p.name for p in tmp_path.iterdir()} == {"notes.txt", "run.json"}
    write(tmp_path, a_spec(), [], {"mask": an_image()})
    (tmp_path / "inputs" / "other.png").write_text("mine")
    write(tmp_path, a_spec(), [])
    assert [p.name for p in (tmp_path / "inputs").iterdir()] == ["other.png"]


def test_an_untrusted_record_removes_nothing_that_a_run_does_not_write(tmp_path: Path) -> None:
    outside, run = tmp_path / "outside", tmp_path / "run"
    (outside / "inputs").mkdir(parents=True)
    run.mkdir()
    kept = [outside / "000.png", outside / "inputs" / "mask.png", run / "run.log", run / "thesis.json", run / "..png"]
    for path in kept:
        path.write_text("mine")
    record = write(tmp_path / "other", a_spec(), [Sample((an_image(),), 0)], {"mask": an_image()})
    output = record.outputs[0]
    record.outputs = [output.model_copy(update={"file": name}) for name in ("run.log", "000.png", "thesis.json")]
    record.write(run)
    (run / "000.png").symlink_to(outside / "000.png")
    (run / "inputs").symlink_to(outside / "inputs")
    write(run, a_spec(), [], {"mask": an_image()})
    assert [path.read_text() for path in kept] == ["mine"] * len(kept)
    assert not (run / "000.png").exists()
    assert not (run / "inputs").is_symlink() and (run / "inputs" / "mask.png").exists()


def test_a_linked_record_is_removed_and_not_followed(tmp_path: Path) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    write(theirs, a_spec(), [Sample((an_image(),), 0)])
    before = (theirs / "run.json").read_bytes()
    mine.mkdir()
    (mine / "run.json").symlink_to(theirs / "run.json")
    (mine / "000.png").write_text("mine")
    write(mine, a_spec(), [])
    assert (theirs / "run.json").read_bytes() == before
    assert not (mine / "run.json").is_symlink()
    assert (mine / "000.png").read_text() == "mine"


def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    for name in ("run.json", "000.png"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(RecordError, match="is not a file"):
        document.read(tmp_path)
    with pytest.raises(RecordError, match="is not a file"):
        read_recipe(tmp_path / "000.png")
    assert write(tmp_path, a_spec(), []).status == "done"
