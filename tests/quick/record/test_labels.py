"""Labels in any script: what is drawn is the text, or something that says that it is not."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tcdflow.record.fonts import PILLOWS, Face, Font, face_of, faces
from tcdflow.record.labels import ELLIPSIS, Label, clean

LATIN = st.text(st.sampled_from("abc DEF.,0123456789"), max_size=120)
ANY = st.text(max_size=60)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    faces.cache_clear()
    face_of.cache_clear()


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)


@given(ANY)
def test_a_letter_without_a_font_is_never_drawn(text: str) -> None:
    label = Label(text, 16)
    for face, part in label.parts(label.text):
        assert all(face.has(letter) for letter in part)
    assert label.drawable or not set(label.text) - set("?") - {c for c in text if PILLOWS.has(c)} - {" "}


@given(st.one_of(LATIN, ANY), st.integers(1, 300), st.integers(1, 5))
def test_lines_fit_and_are_the_text_up_to_an_ellipsis(text: str, width: int, lines: int) -> None:
    label = Label(text, 12)
    found = label.wrapped(width, lines)
    wide = max((label.length(cluster) for cluster in label.text), default=0)
    assert len(found) <= lines
    assert all(label.length(line) <= max(width, 2 * wide) for line in found)
    said = re.sub(r"\s", "", "".join(found))
    whole = re.sub(r"\s", "", label.text)
    assert said == whole or whole.startswith(said.removesuffix(ELLIPSIS))


def test_whole_words_stand_on_a_line_and_chinese_is_broken_anywhere(no_fonts: None) -> None:
    assert Label("one two three", 12).wrapped(Label("one two", 12).length("one two"), 9) == ["one two", "three"]
    assert [len(line) for line in Label("一二三四", 12).wrapped(Label("??", 12).length("??"), 9)] == [2, 2]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\nb\x1b[31m", "a b [31m"),
        ("x\u202ey\u2066", "xy"),
        ("❤️ ok", "❤ ok"),
        ("half \ud83d", "half"),
        ("a" * 20_000, "a" * 1000),
    ],
)
def test_what_drives_a_terminal_or_turns_a_line_is_left_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_without_fontconfig_there_are_question_marks_and_no_boxes(no_fonts: None) -> None:
    label = Label("한국어 fox", 16)
    assert (label.drawable, label.text) == (False, "??? fox")
    assert Label("fox…", 16).drawable


def test_one_font_for_all_of_a_text_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, "20-7e 2026 4e2d", "20-7e 2026 d55c")
    assert [face.starts[-1] for face in faces("fox 中" + ELLIPSIS) or ()] == [0x4E2D]
    assert asked == ["sans-serif:charset=20 66 6f 78 2026 4e2d:scalable=true:color=false"]


def test_a_text_of_several_scripts_has_a_font_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "4e2d", "4e2d", "d55c")
    label = Label("fox 中한!", 16)
    assert [part for _, part in label.parts(label.text)] == ["fox ", "中", "한", "!"]
    assert label.length(label.text) == sum(label.length(part) for part in ("fox ", "中", "한", "!"))


def test_a_script_that_no_font_has_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, *["20-7e"] * 9)
    assert faces("ก") is None
    assert len(asked) <= 2


def test_what_joins_or_turns_needs_raqm(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, *["0-ffff"] * 9)
    assert faces("شجرة") is not None
    forget()
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    assert faces("شجرة") is None
    assert faces("中") is not None


def test_a_label_of_several_fonts_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, *["5d0-5ea"] * 3)
    page = Image.new("RGB", (300, 40))
    label = Label("עץ fox", 16)
    label.draw(ImageDraw.Draw(page), 10, 20, label.text, (255, 255, 255))
    box = page.getbbox()
    assert box is not None
    assert box[0] >= 10 and box[2] <= 12 + label.length(label.text)


def answering(monkeypatch: pytest.MonkeyPatch, *charsets: str) -> list[str]:
    """Have fontconfig answer with fonts of these letters, one after the other; return what it is asked."""
    asked: list[str] = []
    answers = itertools.count()
    own = Face.font

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[-1])
        number = next(answers)
        return subprocess.CompletedProcess(command, 0, f"/fonts/{number}.ttf\n0\n{charsets[number]}", "")

    def pillows(face: Face, size: int) -> Font:
        return own(PILLOWS, size)

    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr(Face, "font", pillows)
    return asked
