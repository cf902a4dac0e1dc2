"""What a notebook shows: thumbnails with headers, a limit, and text of others as nothing but text."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.record.sample import Sample
from tcdflow.results.results import MAX_SHOWN, Results
from tests.quick.record.outputs import MOVING, a_spec, an_animation, an_image, write
from tests.standins.collected import collected, colour

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)> \u202e \"'"


class Page(HTMLParser):
    """The tags of a piece of HTML, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(shown: Any) -> Page:
    found = Page(shown._repr_html_())
    assert found.open == []
    assert {tag for tag, _ in found.tags} <= {"div", "bdi", "table", "tr", "th", "td", "img", "video"}
    allowed = {"style", "src", "width", "height", "autoplay", "loop", "muted", "controls"}
    for _, attributes in found.tags:
        assert attributes.keys() <= allowed
        assert (attributes.get("src") or "data:").startswith("data:")
        assert re.fullmatch(r"[\w:;%#. -]*", attributes.get("style") or "")
    return found


def decoded(source: str | None) -> Image.Image:
    assert source is not None
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


def test_a_sweep_is_a_table_with_headers(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {"prompt": ["a fox", "a panda"], "sampling.eta": [0, 0.5, 1]}
    found = page(Results(collected(axes, tmp_path, failed=[1])))
    assert "prompt / sampling.eta" in found.text and "failed: out of luck" in found.text
    assert len(found.of("tr")) == 3 and len(found.of("th")) == 6 and len(found.of("td")) == 6
    first = decoded(found.of("img")[0]["src"]).convert("RGB").getpixel((4, 4))
    assert isinstance(first, tuple) and max(abs(a - b) for a, b in zip(first, colour(0), strict=True)) < 12


def test_only_so_many_are_shown(tmp_path: Path) -> None:
    found = page(Results(collected({"sampling.seed": list(range(MAX_SHOWN + 40))}, tmp_path)))
    assert len(found.of("img")) == MAX_SHOWN and "… and 40 more" in found.text
    assert len(found.of("table")) == 0 and "sampling.seed=59" in found.text


def test_text_of_others_stays_text(tmp_path: Path) -> None:
    results = Results(collected({"prompt": [HOSTILE, "x" * 20_000], "sampling.eta": [0, 1]}, tmp_path, failed=[0]))
    for shown in (results, results[0], results[2], results.filter("sampling.eta=0")):
        found = page(shown)
        assert len(found.text) < 3_000 and "\u202e" not in found.text
    assert "<script>alert(1)</script>" in page(results).text


def test_one_image_shows_itself(tmp_path: Path) -> None:
    results = Results(collected({"sampling.seed": [0, 1]}, tmp_path))
    (shown,) = page(results[1]).of("img")
    assert decoded(shown["src"]).getpixel((0, 0)) == colour(1)
    Path(results[1].shown.path).unlink()
    assert "cannot be read" in page(results[1]).text and "cannot be read" in page(results).text


@pytest.mark.parametrize("name", [name for name in MOVING if " " not in name])
def test_an_animation_moves(tmp_path: Path, name: str) -> None:
    write(tmp_path, a_spec(MOVING[name]), [an_animation()])
    found = page(Results.of([tmp_path])[0])
    (shown,) = found.of("video" if name == "mp4" else "img")
    assert (shown["src"] or "").startswith("data:video/mp4" if name == "mp4" else f"data:image/{name}")


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    write(tmp_path, a_spec(), [Sample((an_image(),), 0)])
    assert "0 images" in page(Results.of([tmp_path]).filter("status=failed")).text
