"""Texts of others: nothing of them runs, hides or breaks the page."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Look
from tests.browser.reading import PRESS, texts
from tests.standins.gallery import data

pytestmark = pytest.mark.browser

ATTACKS = [
    "</script><img src=x onerror=\"document.title='hit'\">",
    "<!--<script>document.title='hit'</script>",
    "{{ 7 * 7 }} {% raw %} ${7*7} \u2028\u2029",
    "\u202egnp.exe\u2066",
    "x" * 20_000,
    "한국어 프롬프트와 中文提示词",
    "قطة حمراء في الغابة",
    "javascript:document.title='hit'",
]


def test_nothing_of_a_text_runs_or_breaks_the_layout(look: Look) -> None:
    source = data({"prompt": ATTACKS, "sampling.eta": [0.0, 1.0]}, failed=5)
    source["title"] = source["root"] = ATTACKS[0]
    source["metrics"].append({"name": ATTACKS[0], "description": ATTACKS[1], "better": "low"})
    source["metrics"].append({"name": "__proto__", "description": "", "better": None})
    source["cells"][2]["metrics"][ATTACKS[0]] = 1.0
    for cell, address in enumerate(
        (ATTACKS[-1], "https://example.org/x.png", "//example.org/x.png", " data:image/png,x"), 1
    ):
        source["cells"][cell]["file"] = source["cells"][cell]["thumb"] = address
    page = look(source)
    heads = texts(page, "#sides .head")
    assert heads[0] == ATTACKS[0]
    assert heads[3] == "\u2039U+202E\u203agnp.exe\u2039U+2066\u203a"
    assert page.locator("#sides bdi[dir=auto]").count() == len(heads)
    page.locator(PRESS).first.focus()
    for key in ("ArrowRight", "Enter", "ArrowDown", "m", "ArrowRight", "Escape", "w", "p", "b"):
        page.keyboard.press(key)
        assert page.title() == ATTACKS[0]
        assert page.locator("img[src='x'], a[href^='javascript']").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_the_policy_stops_what_would_slip_through(look: Look) -> None:
    page = look(data())
    refused = page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'written'; } catch (error) { return error.name; } }"
    )
    assert refused == "TypeError"
