"""Ratings that the page has exported: merged, kept, and columns of the table of images."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tcdflow.errors import RecordError
from tcdflow.gallery.ratings import read
from tcdflow.gallery.write import gallery
from tests.quick.gallery.conftest import shown
from tests.standins.gallery import page_data


@pytest.fixture
def rated(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "rated"))


def export(path: Path, ratings: dict[str, Any], choices: list[dict[str, Any]] | None = None) -> Path:
    return exported(path, {"ratings": ratings, "choices": choices or []})


def exported(path: Path, change: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"version": 1, "id": "ab12", "ratings": {}, "choices": []} | change), "utf-8")
    return path


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "images.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_they_are_merged_kept_and_columns(rated: Path, tmp_path: Path) -> None:
    one, two, three, _ = (cell["id"] for cell in shown(rated)["cells"])
    choice = {"left": one, "right": two, "chosen": two}
    first = export(tmp_path / "1.json", {one: {"stars": 2}, two: {"favourite": True}}, [choice])
    second = export(
        tmp_path / "2.json",
        {one: {"stars": 5}, two: {}, three: {"stars": 1, "favourite": False}},
        [choice, {"left": two, "right": three, "chosen": None}],
    )
    gallery([rated], ratings=first)
    data = page_data(gallery([rated], ratings=second).page)
    assert data["ratings"] == {one: {"stars": 5}, two: {}, three: {"stars": 1, "favourite": False}}
    assert len(data["choices"]) == 2
    again = shown(rated)  # without the file
    assert (again["ratings"], again["choices"]) == (data["ratings"], data["choices"])
    said = [(row["stars"], row["favourite"], row["chosen"], row["compared"]) for row in rows(rated)]
    assert said == [("5", "", "0", "1"), ("", "", "1", "2"), ("1", "False", "0", "1"), ("", "", "", "")]
    assert read(rated / "ratings.json").id == "ab12"


def test_those_of_other_images(rated: Path, tmp_path: Path) -> None:
    strange = "0" * 16 + "-0"
    with pytest.raises(RecordError, match="none of its 1 ratings"):
        gallery([rated], ratings=export(tmp_path / "r.json", {strange: {"stars": 1}}))
    assert not (rated / "ratings.json").exists()
    known = shown(rated)["cells"][0]["id"]
    written = gallery([rated], ratings=export(tmp_path / "r.json", {strange: {"stars": 1}, known: {"stars": 1}}))
    assert "1 of its 2 ratings are of images that are not here" in written.notes[0]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"ratings": {"x</script>": {"stars": 1}}},
        {"ratings": {"ab-0": {"stars": 6}}},
        {"ratings": {"ab-0": {"stars": "5"}}},
        {"ratings": {"ab-0": {"comment": "nice"}}},
        {"choices": [{"left": "ab-0"}]},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_file_of_ratings(change: dict[str, Any], rated: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is not a file of ratings"):
        gallery([rated], ratings=exported(tmp_path / "r.json", change))


def test_one_that_is_a_link_or_absent(rated: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="exports one"):
        gallery([rated], ratings=tmp_path / "none.json")
    (rated / "ratings.json").symlink_to(export(tmp_path / "r.json", {}))
    with pytest.raises(RecordError, match="is a link"):
        gallery([rated])
