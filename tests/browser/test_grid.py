"""The grid: axes, headers, values, scores, and how much of it is in the document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tcdflow.gallery.page.html import html
from tests.browser.conftest import Look
from tests.browser.reading import PRESS, figures, fragment, names, texts
from tests.helpers import until
from tests.standins.gallery import AXES, data

pytestmark = pytest.mark.browser

MANY: dict[str, list[Any]] = {
    "prompt": [f"prompt {n}" for n in range(50)],
    "sampling.eta": [n / 10 for n in range(10)],
    "sampling.seed": list(range(10)),
}


def test_the_fragment_says_which_axis_stands_where_and_a_key_swaps_them(look: Look) -> None:
    page = look(data(), "#rows=sampling.eta&cols=prompt,sampling.seed")
    assert texts(page, "#sides .head") == ["0.0", "0.5", "1.0"]
    assert texts(page, "#heads .head") == [*(" ".join(prompt.split()) for prompt in AXES["prompt"]), *["0", "1"] * 4]
    assert figures(page) == 3 * 4 * 2
    page.keyboard.press("s")
    assert texts(page, "#heads .head") == ["0.0", "0.5", "1.0"]
    assert fragment(page) == "rows=prompt,sampling.seed&cols=sampling.eta"


def test_of_two_axes_one_stands_in_rows(look: Look) -> None:
    page = look(data({"sampling.eta": [0.0, 0.5, 1.0], "sampling.seed": [1, 2]}))
    assert texts(page, "#heads .head") == ["0.0", "0.5", "1.0"]
    assert texts(page, "#sides .head") == ["1", "2"]
    assert figures(page) == 6


def test_an_axis_is_called_by_its_group_where_its_last_word_says_nothing(look: Look) -> None:
    values = [0, 1]
    keys = ["scheduler.name", "loras.tcd.weight", "loras.ink.weight", "base.source, sampling.steps", "sampling.eta"]
    page = look(data(dict.fromkeys(keys, values)), f"#rows={','.join(keys[:3])}&cols={keys[4]}")
    assert texts(page, "#corner .axis") == ["eta", "scheduler", "tcd.weight", "ink.weight"]
    assert "base, steps" in page.inner_text("#bar")


def test_a_menu_moves_an_axis_and_hides_values(look: Look) -> None:
    page = look(data(), "#size=64")
    page.click("[data-key=axis-3-menu]")
    page.click("[data-key=place-3-rows]")
    assert texts(page, "#corner .axis") == ["eta", "steps", "prompt", "seed"]
    assert figures(page) == 48
    page.click("[data-key=value-3-1]")
    assert figures(page) == 24
    assert "seed 1" not in " ".join(names(page))
    page.keyboard.press("Escape")
    page.reload()
    assert figures(page) == 24


def test_selectors_step_by_key_and_by_mouse(look: Look) -> None:
    page = look(data())
    assert all(name.endswith("seed 0") for name in names(page))
    page.keyboard.press("]")
    assert all(name.endswith("seed 1") for name in names(page))
    page.select_option("[data-key=pick-3]", label="0")
    assert all(name.endswith("seed 0") for name in names(page))


def test_failed_and_missing_cells_say_why(look: Look) -> None:
    page = look(data(failed=6, missing=7), "#rows=prompt,sampling.seed")
    assert texts(page, ".failed .reason")[0].startswith("RuntimeError: </script>")
    assert set(texts(page, ".missing .reason")) == {"not made yet"}
    assert "failed" in page.inner_text("#status")


def test_headers_stay_in_view(look: Look) -> None:
    page = look(data(MANY), "#rows=prompt&cols=sampling.eta,sampling.seed&size=240")
    page.locator(PRESS).first.focus()
    page.keyboard.press("End")
    last = "prompt prompt 49, eta 0.9, seed 9"
    page.wait_for_function("label => document.activeElement.getAttribute('aria-label') === label", arg=last)
    places = []
    for head in ("#sides .head >> text=prompt 49", "#heads .head span >> text=0.9"):
        page.locator(head).first.wait_for()  # drawn in the next frame
        places.append(page.locator(head).first.bounding_box())
    box, (side, top) = page.locator("#scroll").bounding_box(), places
    assert box and side and top
    assert side["x"] - box["x"] < 20
    assert top["y"] - box["y"] < 20


@pytest.mark.parametrize("shown", ["#rows=prompt,sampling.seed&size=64", "#layout=wall"])
def test_five_thousand_cells_keep_the_document_small_and_scroll_to_the_end(look: Look, shown: str) -> None:
    page = look(data(MANY), shown)
    seen = [figures(page)]
    for _ in range(3):
        page.locator("#scroll").evaluate("node => node.scrollBy(0, 3000)")
        page.wait_for_timeout(60)
        seen.append(figures(page))
    page.locator("#scroll").evaluate("node => node.scrollTo(node.scrollWidth, node.scrollHeight)")
    until(lambda: any("prompt 49, eta 0.9" in name for name in names(page)))
    assert 0 < min(seen) <= max(seen) <= 600


def test_scores_are_a_colour_an_order_and_a_filter(look: Look) -> None:
    page = look(data(), "#size=64")
    page.select_option("[data-key=colour]", "sharpness")
    assert page.locator(".tint").first.evaluate("node => getComputedStyle(node).backgroundColor").startswith("rgb")
    assert "higher is better" in page.inner_text("#legend")
    page.select_option("[data-key=sort]", "-sharpness")
    assert figures(page) == 48
    values = [float(text) for text in page.locator(".worth").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.click("[data-key=filter-menu]")
    page.fill("[data-key=where-sharpness-0]", "80")
    page.keyboard.press("Tab")
    assert {float(text) for text in page.locator(".worth").all_inner_texts()} == {80.0, 90.0, 100.0}
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("panda")
    page.keyboard.press("Enter")
    assert figures(page) > 0
    assert all("panda" in name for name in names(page))
    assert {"where=sharpness:80~", "find=panda"} <= set(fragment(page).split("&"))


def test_a_filter_that_nothing_passes_says_so_and_is_taken_back(look: Look) -> None:
    page = look(data(), "#find=zebra")
    page.click("#everything")
    assert figures(page) == 24


def test_a_narrow_screen_shows_everything_without_scrolling_sideways(look: Look) -> None:
    page = look(data(), "", 390, 844)
    for keys in ((), ("p",), ("b",), ("g", "ArrowDown", "Enter")):
        for key in keys:
            page.keyboard.press(key)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#single .image").is_visible()


def test_a_fragment_of_another_sweep_or_none_is_read_as_far_as_it_goes(look: Look) -> None:
    page = look(
        data(),
        "#rows=nothing&cols=%E0%A4%A&pick=prompt:99&size=x&cell=none&sort=-none&where=none:1~2&__proto__=1&hide=prompt:z",
    )
    assert figures(page) == 24


def test_a_running_page_reads_itself_again_and_keeps_its_view(look: Look, tmp_path: Path) -> None:
    page = look(data(running=True, missing=3), "#rows=sampling.eta&cols=prompt")
    page.locator(PRESS).first.focus()
    with page.expect_event("load"):
        (tmp_path / "index.html").write_text(html(data()), "utf-8")
    assert page.inner_text("#status") == "48 images"
    assert texts(page, "#sides .head") == ["0.0", "0.5", "1.0"]


def test_the_images_of_one_run_are_an_axis(look: Look) -> None:
    source = data({"sampling.eta": [0.0, 1.0]})
    source["cells"] = [{**cell, "id": f"{cell['id']}{n}", "image": n} for cell in source["cells"] for n in range(3)]
    page = look(source, "#rows=image&cols=sampling.eta")
    assert texts(page, "#sides .head") == ["0", "1", "2"]
    assert figures(page) == 6


def test_an_animation_stands_still_until_the_pointer_is_on_it(look: Look, tmp_path: Path) -> None:
    source = data({"sampling.eta": [0.0, 1.0]}, tmp_path)
    for cell, video in zip(source["cells"], (False, True), strict=True):
        cell["frames"], cell["video"] = 8, video
    page = look(source)
    still, moving = page.locator(".press").all()
    for _ in range(2):
        assert still.locator("img").get_attribute("src") == source["cells"][0]["thumb"]
        assert moving.locator("video").count() == 0
        still.hover()
        assert still.locator("img").get_attribute("src") == source["cells"][0]["file"]
        moving.hover()
        assert moving.locator("video").get_attribute("src") == source["cells"][1]["file"]
        page.locator("h1").hover()
