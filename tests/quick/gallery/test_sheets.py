"""Sheets: every image at its place under its headers, on as few sheets as can be opened, each with its recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.errors import ConfigError, RecordError
from tcdflow.gallery.collect import Collected, frames
from tcdflow.gallery.sheet import Legend, Matrix, Tile, draw
from tcdflow.gallery.sheets import CHUNK, View, matrices, write
from tcdflow.record.grid import MAX_SIDE
from tcdflow.record.metadata import read_recipe
from tests.standins.collected import collected, colour

AXES: dict[str, list[Any]] = {"prompt": ["a fox", "a panda"], "sampling.eta": [0, 0.5, 1], "sampling.seed": [0, 1]}


@pytest.fixture
def sweep(tmp_path: Path) -> Collected:
    return collected(AXES, tmp_path)


def seen(matrix: Matrix) -> dict[tuple[int, int], tuple[int, int, int]]:
    """The colours of a sheet, by row and column, from the pixels in the middle of its tiles."""
    page = draw(matrix, Legend())
    width, height = matrix.cell()
    assert page.width <= MAX_SIDE and page.height <= MAX_SIDE
    gap = (page.width - page_left(page, matrix)) // len(matrix.columns) - width
    found = {}
    for row in range(len(matrix.rows)):
        for column in range(len(matrix.columns)):
            x = page.width - (len(matrix.columns) - column) * (width + gap) + width // 2
            y = page.height - (len(matrix.rows) - row) * (height + gap) + height // 2
            found[row, column] = page.getpixel((x, y))
    return found  # type: ignore[return-value]


def page_left(page: Image.Image, matrix: Matrix) -> int:
    """Where the first column begins: the tiles end a gap before the right edge."""
    width, _ = matrix.cell()
    gap = min(max(max(matrix.cell()) // 24, 8), 24)
    return page.width - len(matrix.columns) * (width + gap)


def words(*words: str) -> View:
    return View.parse(words)


def test_each_image_is_under_its_headers(sweep: Collected) -> None:
    first, second = matrices(sweep, words("x=sampling.eta", "y=prompt"))
    assert (first.across, first.down, first.columns, first.rows) == (
        "sampling.eta",
        "prompt",
        ("0", "0.5", "1"),
        ("a fox", "a panda"),
    )
    assert (first.title, second.title) == ("sampling.seed=0", "sampling.seed=1")
    for matrix, seed in ((first, 0), (second, 1)):
        assert seen(matrix) == {
            (row, column): colour(row * 6 + column * 2 + seed) for row in (0, 1) for column in range(3)
        }


def test_values_are_chosen(sweep: Collected) -> None:
    (only,) = matrices(sweep, words("x=sampling.eta", "y=prompt", "sampling.seed=1"))
    assert only.title == "sampling.seed=1"
    (some,) = matrices(sweep, words("x=sampling.eta", "sampling.eta=0.50,1.0", "prompt=a panda", "sampling.seed=0"))
    assert some.columns == ("0.5", "1") and some.title == "prompt=a panda,  sampling.seed=0"
    assert seen(some) == {(0, 0): colour(8), (0, 1): colour(10)}


def test_without_words_the_last_axis_is_across_and_the_first_down(sweep: Collected) -> None:
    sheets = list(matrices(sweep, View()))
    assert {(one.across, one.down) for one in sheets} == {("sampling.seed", "prompt")}
    assert [one.title for one in sheets] == [f"sampling.eta={eta}" for eta in ("0", "0.5", "1")]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["x=eta"], "--sheet = 'eta': is not an axis; there are prompt, sampling.eta, sampling.seed; "
                    "did you mean 'sampling.eta'?"),
        (["sampling.seed=7"], "--sheet = 'sampling.seed=7': is not there; there are sampling.seed=0, sampling.seed=1"),
        (["x=prompt", "y=prompt"], "--sheet = 'prompt': x and y are one axis"),
        (["prompt"], "write x=KEY, y=KEY or KEY=VALUE"),
        (["x="], "write x=KEY"),
        (["x=prompt", "x=sampling.eta"], "says x twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(sweep: Collected, asked: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(matrices(sweep, words(*asked)))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_keys_that_vary_together_are_one_axis(tmp_path: Path) -> None:
    zipped = collected({"sampling.steps, sampling.eta": [(2, 0.0), (4, 1.0)], "sampling.seed": [0, 1]}, tmp_path)
    (sheet,) = matrices(zipped, words("x=sampling.eta", "y=sampling.seed"))
    assert sheet.columns == ("2, 0", "4, 1")
    (chosen,) = matrices(zipped, words("x=sampling.seed", "sampling.steps=4"))
    assert chosen.title == "sampling.steps, sampling.eta=4, 1"


def test_several_images_at_one_place_are_on_further_sheets(tmp_path: Path) -> None:
    one, other = (collected({"prompt": ["a", "b"]}, tmp_path / name) for name in ("one", "other"))
    both = Collected(one.directories, one.identity, one.axes, one.images + other.images[:1])
    first, second = matrices(both, View())
    assert (first.title, second.title) == ("image 1 of 2", "image 2 of 2")
    assert set(second.tiles) == {(0, 0)}


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    sweep = collected({"sampling.eta": [0, 1, 2], "sampling.seed": [0, 1]}, tmp_path, failed=[1], missing=[2])
    (tmp_path / "cells" / "003" / "000.png").write_bytes(b"no image")
    (matrix,) = matrices(sweep, View())
    marked = {place for place, found in seen(matrix).items() if found not in map(colour, range(6))}
    assert marked == {(0, 1), (1, 0), (1, 1)}


def test_an_image_that_was_changed_is_not_shown(sweep: Collected) -> None:
    path = Path(sweep.images[0].path)
    Image.new("RGB", (8, 8), "white").save(path)
    with pytest.raises(RecordError, match="is not the image that was recorded"):
        frames(sweep.images[0])
    path.unlink()
    path.symlink_to(Path(sweep.images[1].path))
    with pytest.raises(RecordError, match="is not a file"):
        frames(sweep.images[0])


def test_a_long_row_is_folded_and_too_large_a_sheet_is_several(tmp_path: Path) -> None:
    tiles = {(0, n): Tile(str(n), "missing") for n in range(500)}
    row = Matrix("", "sampling.seed", "", tuple(map(str, range(500))), ("",), tiles, (512, 512))
    sheets = row.folded().sheets()
    captions = [tile.caption for sheet in sheets for _, tile in sorted(sheet.tiles.items())]
    assert captions == list(map(str, range(500)))
    assert len(sheets) == 2
    for sheet in sheets:
        assert max(draw(sheet, Legend()).size) <= MAX_SIDE
        assert min(sheet.cell()) >= 180
    assert row.part(range(1), range(9)).folded().rows == ("",)


@pytest.mark.parametrize(
    ("size", "shape"), [((1, 1), (60, 2)), ((1024, 1024), (60, 2)), ((8192, 16), (2, 60)), ((1024, 1024), (1, 1))]
)
def test_a_sheet_stays_a_size_that_can_be_opened(size: tuple[int, int], shape: tuple[int, int]) -> None:
    rows, columns = shape
    tiles = {(r, c): Tile("", "failed", "for a long reason " * 20) for r in range(rows) for c in range(columns)}
    names = [tuple(f"a very long header of {what} {n} " * 9 for n in range(count)) for what, count in
             (("column", columns), ("row", rows))]  # fmt: skip
    whole = Matrix("title " * 200, "x", "y", names[0], names[1], tiles, size)
    parts = whole.sheets()
    assert sum(len(part.tiles) for part in parts) == rows * columns
    assert all(max(draw(part, Legend()).size) <= MAX_SIDE for part in parts[:1])


def test_files_their_recipe_and_what_is_left_of_earlier_ones(sweep: Collected, tmp_path: Path) -> None:
    assert [path.name for path in write(sweep, tmp_path, words("x=sampling.eta", "y=prompt"))] == [
        "sweep-1.png",
        "sweep-2.png",
    ]
    (path,) = write(sweep, tmp_path, words("x=sampling.eta", "y=prompt", "sampling.seed=0"))
    assert path.name == "sweep.png" and sorted(one.name for one in tmp_path.glob("sweep*")) == ["sweep.png"]
    with Image.open(path) as image:
        told: dict[str, Any] = json.loads(image.text[CHUNK])  # type: ignore[attr-defined]
    assert told["plan"] == sweep.identity and told["chosen"] == "sampling.seed=0"
    assert told["x"] == {"key": "sampling.eta", "values": ["0", "0.5", "1"]}
    keys = {(one["row"], one["column"]): one["key"] for one in told["images"]}
    assert keys[1, 2] == sweep.images[10].run.key and len(keys) == 6
    with pytest.raises(RecordError, match="carries no recipe"):
        read_recipe(path)


def test_a_sheet_of_endless_prompts_can_be_opened(tmp_path: Path) -> None:
    sweep = collected({"prompt": [f"{n} 狐" + "🦊" * 20_000 for n in range(200)]}, tmp_path, missing=range(200))
    for path in write(sweep, tmp_path, View()):
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert len(json.loads(image.text[CHUNK])["images"]) == 200  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["sweep.png", "sweep-12.png", "sweep.txt"])
def test_a_file_of_somebody_else_is_not_replaced(sweep: Collected, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG mine")
    with pytest.raises(ConfigError, match="is no sheet that tcdflow has written"):
        write(sweep, tmp_path, View())
    assert (tmp_path / name).read_bytes() == b"\x89PNG mine"


def test_labels_that_no_font_has_are_numbers_with_a_legend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    sweep = collected({"prompt": ["a fox", "여우\n", "狐"], "sampling.seed": [0, 1]}, tmp_path)
    paths = write(sweep, tmp_path, words("y=prompt"))
    assert [path.name for path in paths] == ["sweep.png", "sweep.txt"]
    assert paths[1].read_text("utf-8").splitlines()[1:] == ['[1] "여우\\n"', '[2] "狐"']
    write(sweep, tmp_path, words("x=sampling.seed", "prompt=a fox"))
    assert not paths[1].exists()


def test_too_many_sheets_are_refused(tmp_path: Path) -> None:
    sweep = collected({"prompt": ["a"], "sampling.seed": list(range(201)), "sampling.eta": [0, 1]}, tmp_path)
    with pytest.raises(ConfigError, match=r"more than 200 sheets; choose values of prompt, sampling\.seed with"):
        list(matrices(sweep, words("x=sampling.eta")))
