"""Plots, blind comparison, links, the sheet of keys, accessibility."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import mean, stdev

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Look
from tests.browser.reading import copied, exported, fragment, texts
from tests.standins.gallery import data

pytestmark = pytest.mark.browser


def test_each_score_is_plotted_against_each_numeric_axis_and_its_means_are_true(look: Look) -> None:
    source = data()
    page = look(source, "#tab=plots&means=sampling.steps")
    assert len(texts(page, ".chart figcaption")) == 2 * 3
    assert page.locator(".chart").first.locator("circle").count() == 4 * 3  # a line for each prompt
    by_steps = {
        text: [cell["metrics"]["sharpness"] for cell in source["cells"] if cell["at"][2] == at]
        for at, text in enumerate(["2", "4"])
    }
    cells = [row.split("\t") for row in texts(page, ".means tbody tr")]
    for row in cells:
        values = by_steps[row[0]]
        told = re.fullmatch(r"(\S+) ± (\S+) \((\d+)\)", row[1])
        assert told
        assert [float(one) for one in told.groups()] == pytest.approx(
            [mean(values), stdev(values), len(values)], rel=0.005
        )
    page.select_option("[data-key=by]", label="steps")
    assert page.locator(".chart").first.locator("polyline").count() == 2
    page.click("[data-key=filter-menu]")
    page.fill("[data-key=find]", "panda")
    page.keyboard.press("Enter")
    assert "12 of 48 images" in page.inner_text("#plots")


def test_blind_shows_no_settings_and_records_what_was_chosen(look: Look, tmp_path: Path) -> None:
    source = data(folder=tmp_path)
    cells = {cell["id"]: cell for cell in source["cells"]}
    page = look(source, "#tab=blind&blind=sampling.eta")
    shown = page.inner_text("#blind .duel") + page.locator("#blind .duel").evaluate(
        "node => [...node.querySelectorAll('*')].map(one => one.title + one.alt + one.ariaLabel).join()"
    )
    assert not [word for word in ("fox", "panda", "eta", "0.5", "seed") if word in shown]
    for key in ("ArrowLeft", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.click("[data-key=blind-left]")
    choices = exported(page)["choices"]
    assert [[choice["left"], choice["right"], None].index(choice["chosen"]) for choice in choices] == [0, 1, 2, 0]
    for choice in choices:
        differ = [a != b for a, b in zip(cells[choice["left"]]["at"], cells[choice["right"]]["at"], strict=True)]
        assert differ == [False, True, False, False]
    page.click("[data-key=reveal-menu]")
    rows = [row.split("\t") for row in texts(page, ".reveal tbody tr")]
    assert sum(int(row[3]) for row in rows) == 2 * len(choices)
    assert sum(int(row[1].split()[0]) for row in rows) == 3


VIEWS = [
    "rows=sampling.eta&cols=prompt,sampling.seed&pick=sampling.steps:1&size=96&colour=sharpness",
    "layout=wall&pick=prompt:2&colour=sharpness&sort=-sharpness&where=sharpness:20~90",
    "tab=plots&by=sampling.steps&means=sampling.eta",
    "hide=prompt:0.2&find=panda&status=done",
]


def test_each_view_is_a_link(look: Look) -> None:
    page = look(data(failed=9))
    address = page.url
    for view in VIEWS:
        page.goto("about:blank")
        page.goto(f"{address}#{view}")
        before = page.inner_text("main")
        link = copied(page, "l")
        assert set(link.partition("#")[2].split("&")) == set(view.split("&"))
        page.goto("about:blank")
        page.goto(link)
        assert page.inner_text("main") == before


def test_the_browser_goes_back_from_an_image_to_the_grid(look: Look) -> None:
    page = look(data())
    page.locator(".press").nth(3).click()
    assert "cell=" in fragment(page)
    page.go_back()
    assert not page.locator("#single").is_visible()
    page.go_forward()
    assert page.locator("#single").is_visible()


def test_a_question_mark_lists_the_keys(look: Look) -> None:
    page = look(data())
    page.keyboard.press("?")
    assert "swap rows and columns" in page.inner_text("#help")
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_all_of_it_is_reached_with_the_tab_key(look: Look) -> None:
    page = look(data())
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.dataset.key || document.activeElement.id || document.activeElement.className"
            )
        )
    assert {
        "tab-plots",
        "theme",
        "ask",
        "swap",
        "axis-0-menu",
        "pick-3",
        "colour",
        "sort",
        "filter-menu",
        "size",
    } <= reached
    assert reached & {cell["id"] for cell in data()["cells"]}


def test_colours_go_from_the_system_to_light_and_dark(look: Look) -> None:
    page = look(data(), color_scheme="dark")
    colours = []
    for _ in range(3):
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.click("#theme")
    assert colours[0] == colours[2] != colours[1]
    page.click("#theme")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colours[1]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_nothing_serious(look: Look, tmp_path: Path, scheme: str, width: int) -> None:
    page = look(
        data(folder=tmp_path, failed=6, missing=7),
        "#colour=sharpness",
        width,
        900,
        color_scheme=scheme,
        bypass_csp=True,
    )
    found = []
    for keys in ((), ("ArrowDown", "c", "4", "f", "Enter"), ("m",), ("Escape", "w"), ("p",), ("b",), ("?",)):
        for key in keys:
            page.keyboard.press(key)
        answer = Axe().run(page, options={"resultTypes": ["violations"]}).response
        found += [
            f"{keys}: {one['id']} {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in answer["violations"]
            if one["impact"] in ("serious", "critical")
        ]
    assert found == []
