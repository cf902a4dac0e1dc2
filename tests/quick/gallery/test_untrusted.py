"""Directories of others, and damaged ones: a cell with its reason, and never a crash or a file from elsewhere."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tcdflow.gallery.data import Cell
from tcdflow.gallery.write import gallery
from tests.helpers import examples
from tests.quick.gallery.conftest import shown
from tests.standins.gallery import page_data

Damage = Callable[[Path], object]


@pytest.fixture
def theirs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "theirs"))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [head, b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def link(path: Path) -> None:
    target = path.with_name(path.name + ".away")
    path.rename(target)
    path.symlink_to(target.resolve())


def record(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(cell: Path) -> None:
        plain = json.loads((cell / "run.json").read_text("utf-8"))
        change(plain)
        (cell / "run.json").write_text(json.dumps(plain), "utf-8")

    return damage


def pipe(cell: Path) -> None:
    (cell / "000.png").unlink()
    os.mkfifo(cell / "000.png")


def bytes_(data: bytes) -> Damage:
    return lambda cell: (cell / "000.png").write_bytes(data)


ERROR = {"type": "E", "message": "</b>\x1b"}
DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "no image": (lambda cell: (cell / "000.png").unlink(), "missing", "000.png is not there"),
    "not an image": (bytes_(b"GIF?"), "missing", "is not in a known format"),
    "empty": (bytes_(b""), "missing", "000.png cannot be shown"),
    "cut short": (lambda cell: os.truncate(cell / "000.png", 3000), "missing", "000.png"),
    "a bomb": (bytes_(bomb(60_000, 60_000)), "missing", "pixels"),
    "another image": (lambda cell: Image.new("RGB", (64, 64)).save(cell / "000.png"), "missing", "was changed since"),
    "a pipe": (pipe, "missing", "is not a file"),
    "a linked image": (lambda cell: link(cell / "000.png"), "missing", "000.png is a link"),
    "a linked run": (link, "missing", "is a link"),
    "a linked record": (lambda cell: link(cell / "run.json"), "missing", "run.json is a link"),
    "no record": (lambda cell: (cell / "run.json").unlink(), "missing", "run.json"),
    "no record but text": (lambda cell: (cell / "run.json").write_text("{"), "missing", "is not a record"),
    "a later record": (record(lambda r: r.update(schema_version=9)), "missing", "schema"),
    "another run's": (record(lambda r: r.update(key="0" * 64)), "missing", "is of another run"),
    "killed": (record(lambda r: r.update(status="running", outputs=[])), "failed", "ended without a word"),
    "failed": (record(lambda r: r.update(status="failed", outputs=[], error=ERROR)), "failed", "E: </b>"),
    "interrupted": (record(lambda r: r.update(status="interrupted", outputs=[])), "missing", "interrupted"),
    "done without images": (record(lambda r: r.update(outputs=[])), "missing", "lists no image"),
    "too many settings": (record(lambda r: r.update(spec={str(n): n for n in range(9999)})), "missing", "settings"),
    "no run": (shutil.rmtree, "missing", "not made yet"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_cell_has_its_reason(name: str, theirs: Path) -> None:
    damage, status, reason = DAMAGES[name]
    victim = min((theirs / "cells").iterdir())
    damage(victim)
    for _ in range(2):  # what is there already must not hide it
        data = shown(theirs)
        ((_, cell), *others) = ((cell["name"], cell) for cell in data["cells"])
        assert (cell["status"], cell["file"], cell["thumb"]) == (status, None, None)
        assert reason in (cell["reason"] or "")
        assert [other["status"] for _, other in others] == ["done"] * 3


def test_an_image_that_was_changed_after_its_thumbnail(theirs: Path) -> None:
    shown(theirs)
    victim = min((theirs / "cells").iterdir()) / "000.png"
    Image.new("RGB", (64, 64)).save(victim)
    assert "changed since" in (shown(theirs)["cells"][0]["reason"] or "")


def test_an_image_that_was_only_written_anew(theirs: Path) -> None:
    """By a tool that takes metadata away, say: its pixels are those of the record."""
    victim = min((theirs / "cells").iterdir()) / "000.png"
    with Image.open(victim) as image:
        pixels = image.convert("RGB")
    pixels.save(victim, compress_level=9)
    assert shown(theirs)["cells"][0]["status"] == "done"


def test_places_that_somebody_prepared(theirs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    precious = outside / "precious"
    precious.write_text("precious")
    (theirs / ".thumbs").symlink_to(outside)
    for name in ("images.csv", "images.jsonl"):
        (theirs / name).symlink_to(precious)
    shown(theirs)
    assert [path.name for path in outside.iterdir()] == ["precious"] and precious.read_text() == "precious"
    assert not any((theirs / name).is_symlink() for name in (".thumbs", "images.csv", "images.jsonl"))


def test_a_link_below_is_not_followed_and_told(theirs: Path, made: Path) -> None:
    (theirs / "plan.json").unlink()
    (theirs / "more").symlink_to(made)
    written = gallery([theirs])
    assert written.shown == 4
    assert [note.partition(": ")[2] for note in written.notes] == [
        "a link is not followed; name the directory that it leads to"
    ]


def test_a_damaged_plan_is_told_and_its_records_are_shown(theirs: Path) -> None:
    (theirs / "plan.json").write_text("{}")
    written = gallery([theirs])
    assert (written.shown, len(written.notes)) == (4, 1)


NASTY = [
    "</script><img src=x onerror=alert(1)>",
    "\u202eevil",
    "x" * 20_000,
    "=cmd|' /C calc'!A0",
    "\x00\x1b[2J",
    "a\u2028b",
]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_texts_of_others(theirs: Path, text: str) -> None:
    victim = min((theirs / "cells").iterdir())
    record(lambda r: r["spec"].update(prompt=text))(victim)
    record(lambda r: r.update(overrides=[f"prompt={text}"]))(victim)
    page = gallery([theirs]).page
    data = page_data(page)
    cell: Cell = data["cells"][0]
    assert json.loads(data["texts"][cell["set"]["prompt"]]) == text
    assert "</script><img" not in page.read_text("utf-8")
    with (theirs / "images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["prompt"].strip(" ") == text.strip(" ")
    assert rows[0]["prompt"][0] not in "=+-@"


def test_odd_metrics_and_times(theirs: Path) -> None:
    victim = min((theirs / "cells").iterdir())
    odd = {"sharpness": "high", "complexity": True, "mine": 3, "seconds": {"denoise": "x", "decode": -1}}
    record(lambda r: r.update(execution={"metrics": odd, "seconds": [1]}))(victim)
    assert shown(theirs)["cells"][0]["metrics"] == {"mine": 3}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.dictionaries(st.sampled_from(["spec", "execution", "overrides", "status", "outputs", "key"]), VALUES))
def test_whatever_a_record_holds(made: Path, values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    if sum(map(len, map(repr, values.values()))) % max(1, 50 // examples(0.5)):
        return
    where = tmp_path_factory.mktemp("any") / "run"
    shutil.copytree(min((made / "cells").iterdir()), where)
    record(lambda r: r.update(values))(where)
    written = gallery([where])
    assert written.shown + written.lacking >= 1
    page_data(written.page)
