"""Results for programs: what they hold, filtered, ordered, as rows and as one image."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import tcdflow
from tcdflow.errors import ConfigError, RecordError, RequestError
from tcdflow.record.sample import Sample
from tcdflow.results.results import Results
from tests.quick.record.outputs import a_spec, an_animation, an_image, write
from tests.standins.collected import collected, colour

AXES: dict[str, list[Any]] = {
    "prompt": ["a fox", "a fox, blue", "7"],
    "sampling.eta": [0, 0.5, 1.0],
    "sampling.seed": [3, 4],
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Eighteen images, of which the third has failed and the fifth is not there."""
    return Results(collected(AXES, tmp_path, failed=[2], missing=[4]))


def numbers(results: Results) -> list[int]:
    return [int(image.shown.id.partition("-")[0], 16) for image in results]


def test_they_are_a_sequence_of_images_with_their_settings(results: Results) -> None:
    assert len(results) == 18 and len(results[2:5]) == 3 and isinstance(results[:1], Results)
    first = results[0]
    assert (first["prompt"], first["sampling.eta"], first["base.source"], first["sharpness"]) == (
        "a fox", 0, "embedded:emoji", 0.0)  # fmt: skip
    assert first.varying == {"prompt": "a fox", "sampling.eta": "0", "sampling.seed": "3"}
    assert (first.status, first.seed, first.seconds, first.key) == ("done", 3, 0.5, first.shown.run.key)
    assert first.image.getpixel((0, 0)) == colour(0) and first.path == first.directory / "000.png"
    assert first.command == f"tcdflow rerun {first.directory}"
    assert first in results and results[1] != first and len({first, results[0]}) == 1
    assert results.axes == {"prompt": tuple(AXES["prompt"]), "sampling.eta": (0, 0.5, 1.0), "sampling.seed": (3, 4)}
    assert results.filter("sampling.seed=3").axes.keys() == {"prompt", "sampling.eta"}
    assert results.metrics == ("sharpness",)
    assert "18 images in" in repr(results) and "1 failed, 1 missing; prompt (3)" in repr(results)


def test_an_image_that_is_not_there_has_its_settings_and_a_reason(results: Results) -> None:
    (failed,) = results.filter("status=failed")
    assert (failed["sampling.eta"], failed.reason, failed.path, dict(failed.metrics)) == (0.5, "out of luck", None, {})
    with pytest.raises(RecordError, match="has no image: failed, out of luck"):
        _ = failed.image


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (["sampling.eta=0.50", "sampling.seed=4"], [3, 9, 15]),
        (["sampling.eta=0,1", "sampling.seed=3", "prompt=7"], [12, 16]),
        (["prompt=a fox, blue", "sampling.seed=3"], [6, 8, 10]),
        (["prompt=a fox", "sampling.seed!=3"], [1, 3, 5]),
        (["sharpness>=16"], [16, 17]),
        (["sharpness < 2"], [0, 1]),
        (["seed>3", "prompt=a fox"], [1, 3, 5]),
        (["status!=done"], [2, 4]),
        (["status=running"], []),
        (["sampling.eta>0.4", "sampling.eta<=0.5", "prompt=7"], [14, 15]),
    ],
)
def test_filters_are_written_as_overrides_are(results: Results, conditions: list[str], left: list[int]) -> None:
    assert numbers(results.filter(*conditions)) == left


def test_a_filter_may_be_a_function(results: Results) -> None:
    assert numbers(results.filter(lambda image: image.metrics.get("sharpness", 0) > 15, "sampling.seed=3")) == [16]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("eta=0", "filter = 'eta': is no setting and no metric; what varies is prompt, sampling.eta, sampling.seed, "
                  "sharpness; did you mean 'sampling.eta'?"),
        ("sampling.eta=0.4", "there are sampling.eta=0, sampling.eta=0.5, sampling.eta=1; "
                             "did you mean 'sampling.eta=0.5'?"),
        ("sharpness>high", "filter = 'sharpness>high': > compares numbers"),
        ("a fox", "write KEY=VALUE, with = != < <= > or >="),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(results: Results, condition: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        results.filter(condition)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_they_are_ordered_by_a_metric_and_by_text_and_what_has_none_is_last(results: Results) -> None:
    assert numbers(results.sorted_by("sharpness", descending=True)) == [*range(17, 4, -1), 3, 1, 0, 2, 4]
    assert numbers(results.filter("sampling.seed=3", "sampling.eta=1").sorted_by("prompt")) == [16, 4, 10]
    with pytest.raises(ConfigError, match=r"^sorted_by = 'sharpnes': .*; did you mean 'sharpness'"):
        results.sorted_by("sharpnes")


def test_they_are_one_labelled_image(results: Results) -> None:
    image = results.filter("sampling.seed=3").grid(x="sampling.eta", y="prompt")
    assert image.getpixel((image.width - 20, image.height - 20)) == colour(16)
    with pytest.raises(ConfigError, match=r'sampling.seed varies too: choose with .filter\("sampling.seed=3"\)'):
        results.grid(x="sampling.eta", y="prompt")
    with pytest.raises(ConfigError, match=r"^grid = 'eta': is not an axis"):
        results.grid(x="eta")
    with pytest.raises(ConfigError, match="there is no image"):
        results.filter("status=running").grid()


def test_labels_that_no_font_has_are_numbers_and_the_image_says_of_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    image = Results(collected({"prompt": ["a fox", "여우의 꼬리"]}, tmp_path)).grid(x="prompt")
    assert image.info["legend"] == "[1] 여우의 꼬리"


def test_rows_go_to_the_libraries_that_are_there(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = results.to_dicts()
    assert [row["sampling.eta"] for row in rows[:6]] == [0, 0, 0.5, 0.5, 1, 1]
    assert rows[2]["reason"] == "out of luck" and rows[2]["file"] is None and rows[0]["sharpness"] == 0.0
    assert rows[-1]["key"] == results[-1].key and str(rows[-1]["command"]).startswith("tcdflow rerun ")
    for name, made in (("pandas", results.to_pandas), ("polars", results.to_polars)):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(DataFrame=lambda rows, **_: (rows, len(rows))))
        assert made() == (rows, 18)
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(RequestError, match=f"{name} is not installed"):
            made()


def test_a_directory_of_runs_is_loaded(tmp_path: Path) -> None:
    write(tmp_path / "one", a_spec(prompt="a fox"), [Sample((an_image(n),), n) for n in (7, 8)])
    write(tmp_path / "two", a_spec(prompt="a panda"), [an_animation(5)])
    results = tcdflow.load(str(tmp_path))
    assert [image["prompt"] for image in results] == ["a fox", "a fox", "a panda"]
    assert [image.seed for image in results] == [7, 8, 7] and results[0].record.status == "done"
    assert len(results[2].frames) == 5 and results[2].image.tobytes() == results[2].frames[2].tobytes()
    assert tcdflow.load(tmp_path / "two", tmp_path / "one")[0]["prompt"] == "a panda"
    (tmp_path / "elsewhere").symlink_to(tmp_path / "one")
    with pytest.warns(tcdflow.TcdflowWarning, match="a link is not followed"):
        tcdflow.load(tmp_path)


@pytest.mark.parametrize(("where", "said"), [("nothing", "is not a directory"), (".", "no run in it or below")])
def test_what_holds_no_run_is_one_line(tmp_path: Path, where: str, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        tcdflow.load(tmp_path / where)
    with pytest.raises(RecordError, match="name what is to be loaded"):
        tcdflow.load()


def test_an_image_that_was_changed_is_refused(results: Results) -> None:
    assert results[0].path is not None
    Image.new("RGB", (8, 8)).save(results[0].path)
    with pytest.raises(RecordError, match="is not the image that was recorded"):
        _ = results[0].image
