"""The page as a file: its data, its policy, and what its script may not name."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

import tcdflow.gallery.page
from tcdflow.gallery.page.html import SCRIPTS, STYLES, html
from tests.standins.gallery import data

FOLDER = Path(tcdflow.gallery.page.__file__).parent
ATTACK = "</script><script>alert(1)</script><!-- & \u2028\u2029 {{ 7 * 7 }}"


def split(page: str) -> tuple[str, str]:
    """The data's text, and all around it."""
    before, _, rest = page.partition('<script type="application/json" id="data">')
    inside, _, after = rest.partition("</script>")
    return inside, before + after


def test_data_are_there_to_the_letter_and_end_no_element() -> None:
    source = data({"prompt": [ATTACK, "가", "\udcff"]})
    inside, _ = split(html(source))
    assert json.loads(inside) == source
    assert not set("<>&\u2028\u2029") & set(inside)
    html(source).encode()  # a lone surrogate does not stop it from being written


def test_the_title_is_text() -> None:
    source = data()
    source["title"] = "<b>\udcff"
    assert "<title>&lt;b&gt;?</title>" in html(source)


def test_the_policy_names_the_very_script_and_style() -> None:
    _, around = split(html(data()))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', around)
    policy = policy.replace("&#39;", "'")
    for name, (text,) in {
        "script": re.findall(r"<script>(.*?)</script>", around, re.S),
        "style": re.findall(r"<style>(.*?)</style>", around, re.S),
    }.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_nothing_in_it_loads_or_evaluates() -> None:
    _, around = split(html(data()))
    assert (
        re.findall(
            r"https?:|\bfetch|\beval|innerHTML|outerHTML|insertAdjacent|XMLHttp|import\(|document\.write|Function\(",
            around,
        )
        == []
    )
    assert re.findall(r'(?:src|href)="(?!data:)', around) == []
    assert '<meta name="generator" content="tcdflow gallery">' in around[:2000]


def test_every_script_and_style_is_in_it_and_short() -> None:
    assert {path.stem for path in FOLDER.glob("js/*.js")} == set(SCRIPTS)
    assert {path.stem for path in FOLDER.glob("css/*.css")} == set(STYLES)
    for path in [*FOLDER.glob("js/*.js"), *FOLDER.glob("css/*.css")]:
        assert len(path.read_text("utf-8").splitlines()) <= 400
    _, around = split(html(data()))
    assert len(around.encode()) < 100_000


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_word_for_is_an_error(value: float) -> None:
    source = data()
    source["cells"][0]["seconds"] = value
    with pytest.raises(ValueError, match="not JSON compliant"):
        html(source)
