"""Untrusted records and images: data, of which nothing runs, is resolved, or chooses where to write."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tcdflow.errors import RecordError
from tcdflow.record import document
from tcdflow.rerun.source import find
from tcdflow.rerun.suspects import suspects
from tests.helpers import left_behind
from tests.rerun.conftest import Tcdflow, pixels

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["${oc.env:HOME}", "../x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def change(node: Any, data: st.DataObject) -> None:
    """Put something else somewhere."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 3)):
            node = node[key]
            continue
        how = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "remove":
            del node[key]
        elif how == "add" and isinstance(node, dict):
            node[data.draw(st.text(max_size=12) | st.just("_target_"))] = data.draw(JSON)
        else:
            node[key] = data.draw(JSON)
        return


def recorded_or_refused(path: Path) -> bool:
    try:
        return find(path) is not None
    except RecordError as error:
        assert "\n" not in str(error)
        assert str(error).isprintable()
        assert len(str(error)) < 1500
        return False


@given(data=st.data())
def test_whatever_a_record_holds(data: st.DataObject, originals: Path, tmp_path: Path) -> None:
    record = json.loads((originals / "outputs/image/run.json").read_text())
    change(record, data)
    (tmp_path / "run.json").write_text(json.dumps(record), "utf-8")
    recorded_or_refused(tmp_path / "run.json")


@given(data=st.data())
def test_whatever_a_image_says(data: st.DataObject, originals: Path, tmp_path: Path) -> None:
    with Image.open(originals / "outputs/image/000.png") as image:
        recipe = json.loads(image.text["tcdflow"])  # type: ignore[attr-defined]
        change(recipe, data)
        info = PngInfo()
        info.add_itxt("tcdflow", json.dumps(recipe), zip=True)
        image.save(tmp_path / "x.png", pnginfo=info)
    recorded_or_refused(tmp_path / "x.png")


@given(data=st.data())
def test_whatever_a_record_says_of_its_environment(data: st.DataObject, originals: Path) -> None:
    recorded = find(originals / "outputs/image")
    assert recorded.record is not None
    now = recorded.record.model_copy(deep=True)
    for part in (recorded.record.environment, recorded.record.execution):
        change(part, data)
    assert all(line.isprintable() and len(line) < 500 for line in suspects(recorded, now))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("prompt", "${oc.env:HOME}", "spec.prompt: only other keys may be interpolated"),
        ("_target_", "os.system", "spec._target_: configs are data"),
        ("hydra", {"run": {"dir": "/tmp/x"}}, "spec.hydra: unknown key"),
        ("loras", {"a/../b": {"source": "x"}}, "spec.loras.a/../b"),
        ("loras", {"x": {"source": "x", "weight": [1] * 30_000}}, "values; no run has"),
        ("runtime", {"device": "cuda:0; rm"}, "spec.runtime.device"),
        ("sampling", {"steps": float("nan"), "eta": 0, "guidance_scale": 0}, "spec.sampling.steps"),
        ("\x1b[31m\n", 1, "unknown key"),
    ],
)
def test_what_is_no_spec_is_refused_by_key(key: str, value: object, words: str, tcd: Tcdflow, here: Path) -> None:
    path = here / "outputs/image/run.json"
    record = json.loads(path.read_text())
    record["spec"][key] = value
    path.write_text(json.dumps(record))
    before = left_behind(here)
    said = tcd("rerun", "outputs/image", "--verify")
    assert (said.status, said.out) == (2, "")
    assert words in said.err
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err
    assert left_behind(here) == before


def test_text_that_looks_like_an_interpolation_is_text(tcd: Tcdflow, here: Path) -> None:
    record = document.read(here / "outputs/image")
    record.spec["prompt"] = said = "a ${base.size} ${prompt} ??? bear"
    record.write(here / "outputs/image")
    assert tcd("rerun", "outputs/image", "hydra.run.dir=again").status == 0
    assert document.read(here / "again").spec["prompt"] == said


def test_a_record_does_not_choose_where_to_write(tcd: Tcdflow, here: Path, tmp_path: Path) -> None:
    record = document.read(here / "outputs/image")
    record.overrides = [f"hydra.run.dir={tmp_path / 'evil'}", "hydra.job.env_set.A=1"]
    record.choices = {"hydra/launcher": "evil", "base": "/etc/passwd"}
    record.write(here / "outputs/image")
    said = tcd("rerun", "outputs/image")
    assert said.status == 0, said.err
    assert not (tmp_path / "evil").exists()
    made = Path(said.out.strip()).parent
    assert made.is_relative_to(here / "outputs")
    assert pixels(made) == pixels(here / "outputs/image")
    assert document.read(made).overrides == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"spec": ' + b"[" * 5000, b'{"schema_version": 2}', b"{}"],
    ids=["empty", "cut", "list", "null", "no text", "deep", "later", "nothing"],
)
def test_what_is_no_record(content: bytes, tcd: Tcdflow, here: Path) -> None:
    (here / "run.json").write_bytes(content)
    for path in (".", "run.json"):
        said = tcd("rerun", path)
        assert (said.status, said.out) == (2, "")
        assert said.err.count("\n") == 1
        assert "run.json" in said.err


def test_paths_that_are_nothing(tcd: Tcdflow, here: Path) -> None:
    os.mkfifo(here / "pipe.png")
    (here / "empty").mkdir()
    shutil.copy(here / "shape.png", here / "other.png")
    for path in ("pipe.png", "empty", "other.png", "nowhere", "nowhere.png", "with\0null", "outputs"):
        said = tcd("rerun", path)
        assert (said.status, said.out) == (2, ""), path
        assert said.err.count("\n") == 1


def test_links_and_pipes_in_the_place_of_images(tcd: Tcdflow, here: Path) -> None:
    """Nothing waits for what is no file; a link is read as the image that it leads to, and never written to."""
    picture = here / "outputs/image/000.png"
    picture.unlink()
    os.mkfifo(picture)
    assert tcd("rerun", "outputs/image", "--verify").out == "000.png: identical\n"
    picture.unlink()
    picture.symlink_to(here / "shape.png")
    shape = (here / "shape.png").read_bytes()
    said = tcd("rerun", "outputs/image", "--verify")
    assert said.status == 1
    assert "has been changed since" in said.out
    assert (here / "shape.png").read_bytes() == shape
    picture.unlink()
    picture.write_bytes(b"\x89PNG\r\n\x1a\n no more")
    said = tcd("rerun", "outputs/image", "--verify")
    assert said.status == 2
    assert "000.png" in said.err


def test_a_image_beside_another_runs_record(tcd: Tcdflow, here: Path) -> None:
    shutil.copy("outputs/mask/000.png", "outputs/image/000.png")
    recorded = find(Path("outputs/image/000.png"))
    assert recorded.record is None
    assert recorded.spec.task.name == "inpainting"
    assert tcd("rerun", "outputs/image/000.png", "--verify").status == 0
