"""One image: arrows in place, comparisons, zoom, settings, commands, ratings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from playwright.sync_api import Page

from tcdflow.gallery.page.html import html
from tests.browser.conftest import Look
from tests.browser.reading import PRESS, copied, exported, fragment, loaded, names, pixels, texts
from tests.helpers import until
from tests.standins.gallery import AXES, COMMON, data

pytestmark = pytest.mark.browser


def opened(page: Page) -> str:
    """Which image is shown."""
    return str(page.locator("#stage .image").last.get_attribute("alt"))


def enter(page: Page) -> None:
    page.locator(PRESS).first.focus()
    page.keyboard.press("Enter")


def test_arrows_walk_in_place_and_the_grid_goes_on_where_they_ended(look: Look, tmp_path: Path) -> None:
    page = look(data(folder=tmp_path))
    enter(page)
    page.locator("#stage .image").evaluate("node => { node.dataset.same = 'yes'; }")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert opened(page) == 'prompt a "panda" for $5, eta 1.0, steps 2, seed 0'
    page.keyboard.press("ArrowRight")
    assert "eta 1.0" in opened(page)
    for axis in ("x", "x"):
        page.keyboard.press(axis)
    page.keyboard.press("ArrowRight")
    assert opened(page).endswith("seed 1")
    assert page.locator("#stage .image").get_attribute("data-same") == "yes"
    page.keyboard.press("Escape")
    assert not page.locator("#single").is_visible()
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-label')")
        == 'prompt a "panda" for $5, eta 1.0, steps 2, seed 1'
    )


def test_space_shows_the_image_that_it_is_compared_with(look: Look, tmp_path: Path) -> None:
    page = look(data(folder=tmp_path))
    enter(page)
    page.keyboard.press("c")
    page.keyboard.press("ArrowRight")
    page.keyboard.down(" ")
    assert "eta 0.0" in opened(page)
    assert texts(page, ".tag") == ["eta 0.0"]
    page.keyboard.up(" ")
    assert "eta 0.5" in opened(page)


def test_the_slider_moves_by_keyboard_and_by_mouse(look: Look, tmp_path: Path) -> None:
    page = look(data(folder=tmp_path))
    enter(page)
    page.click("[data-key=mode-slider]")
    assert texts(page, ".tag") == ["eta 0.5", "eta 0.0"]
    page.locator("[data-key=split]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "split=52" in fragment(page)
    page.locator("#stage").focus()
    page.keyboard.press(",")
    assert "split=47" in fragment(page)
    box = page.locator(".handle").bounding_box()
    pane = page.locator(".pane").bounding_box()
    assert box and pane
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(pane["x"] + pane["width"] / 4, box["y"] + 40)
    page.mouse.up()
    assert "split=25" in fragment(page)
    assert page.locator(".layer").last.evaluate("node => node.style.clipPath") == "inset(0px 0px 0px 25%)"


def test_the_difference_of_equal_images_is_black_and_of_others_is_not(look: Look, tmp_path: Path) -> None:
    page = look(data(folder=tmp_path), "#mode=difference&walk=sampling.seed&gain=64")
    enter(page)
    loaded(page)
    page.evaluate("document.querySelectorAll('.tag').forEach(one => { one.hidden = true; })")
    assert set(pixels(page, ".pane")) == {0}
    page.click("[data-key=take-1]")
    loaded(page)
    assert max(pixels(page, ".pane")) > 100


def test_two_to_four_images_zoom_and_move_together(look: Look, tmp_path: Path) -> None:
    page = look(data(folder=tmp_path))
    page.locator(PRESS).first.focus()
    for key in ("c", "ArrowRight", "c", "ArrowRight", "c", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    moves = "[...document.querySelectorAll('#stage .image')].map(one => one.style.transform)"
    assert len(page.evaluate(moves)) == 4
    box = page.locator(".pane").nth(1).bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.wheel(0, -100)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 30, steps=3)
    page.mouse.up()
    (move,) = set(page.evaluate(moves))
    assert "scale(1.4" in move
    page.keyboard.press("z")
    assert set(page.evaluate(moves)) == {"translate(0px, 0px) scale(1)"}


def test_settings_mark_what_differs(look: Look) -> None:
    page = look(data())
    enter(page)
    assert texts(page, ".differs th") == ["sampling.eta"]
    assert texts(page, ".differs .value") == ["0.0", "≠ 0.5"]
    page.keyboard.press("c")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert texts(page, ".differs th") == ["prompt", "sampling.eta"]
    page.click("[data-key=same-menu]")
    assert len(texts(page, "table.settings th")) == len(AXES) + len(COMMON)


HARD = [
    'it\'s a "fox"',
    "$HOME `id` \\ !x",
    "줄\n바꿈\ttab",
    "\x1b[31m\x03\u202egnp",
    "~ *{a,b}?[c]",
    "-m",
    "",
    "'\n!'",
]


def test_commands_pasted_into_bash_are_the_overrides_to_the_letter(look: Look, tmp_path: Path) -> None:
    page = look(data({"prompt": HARD}), "#layout=wall")
    page.locator(PRESS).first.focus()
    pasted = []
    for _ in HARD:
        pasted.append(copied(page, "o"))
        page.keyboard.press("ArrowRight")
    assert not [text for text in pasted if any(ord(one) < 32 for one in text)]
    script = "tcdflow() { printf '%s\\0' \"$@\"; }\n" + "\n".join(pasted)
    for shell in (["bash", "--norc", "-c", script], ["bash", "--norc", "-c", f"set -o histexpand\n{script}"]):
        said = subprocess.run(shell, capture_output=True, check=True, cwd=tmp_path).stdout.decode()
        assert said.split("\0")[:-1] == [f"prompt={prompt}" for prompt in HARD]


def test_the_rerun_command_has_the_directory_of_the_page(look: Look, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s 100% a "sweep"'
    folder.mkdir()
    (folder / "index.html").write_text(html(data()), "utf-8")
    page = look(folder / "index.html")
    enter(page)
    command = copied(page, "v")
    said = subprocess.run(
        ["bash", "-c", f"tcdflow() {{ printf '%s\\0' \"$@\"; }}\n{command}"], capture_output=True, check=True
    ).stdout.decode()
    assert said.split("\0")[:-1] == ["rerun", f"{folder}/cells/000_seed=0", "--verify"]
    assert copied(page, "r") == command.removesuffix(" --verify")
    page.click("[data-key=command-r]")
    page.click("[data-key=copy]")
    assert texts(page, "#panel pre") == [command.removesuffix(" --verify")]


def test_the_yaml_holds_all_settings_as_they_are(look: Look) -> None:
    odd: dict[str, list[Any]] = {
        "prompt": ["${oc.env:HOME} \\${x}", "yes: [no]\n# \"'"],
        "loras.on.weight": [0.5, 1e-05],
    }
    page = look(data(odd), "#layout=wall")
    page.locator(PRESS).first.focus()
    text = copied(page, "y")
    assert text.startswith("# @package _global_\ndefaults:\n")
    read = OmegaConf.to_container(OmegaConf.create(text), resolve=True)
    assert isinstance(read, dict)
    assert read["prompt"] == odd["prompt"][0]
    assert read["loras"] == {"tcd": {"weight": 1}, "on": {"weight": 0.5}}
    assert read["base"] == {"source": "embedded:emoji"}


def test_ratings_outlive_a_reload_and_are_exported_as_they_were_set(look: Look) -> None:
    source = data()
    ids = [cell["id"] for cell in source["cells"]]
    source["ratings"] = {ids[0]: {"stars": 1}, ids[40]: {"favourite": True}}
    page = look(source)
    page.locator(PRESS).first.focus()
    for key in (
        "4",
        "ArrowRight",
        "2",
        "f",
        "ArrowRight",
        "5",
        "5",
        "ArrowDown",
        "3",
        "0",
        "Enter",
        "ArrowRight",
        "f",
        "Escape",
    ):
        page.keyboard.press(key)
    page.wait_for_selector("#single[open]", state="detached")
    given = [name for name in names(page) if "stars" in name or "favourite" in name]
    page.reload()
    page.wait_for_selector(PRESS)
    until(lambda: not set(given).isdisjoint(names(page)))  # other rows may be in view
    found = exported(page)
    assert found["version"] == 1
    assert found["id"] == source["id"]
    by_place = {tuple(cell["at"]): cell["id"] for cell in source["cells"]}
    assert found["ratings"] == {
        ids[0]: {"stars": 4},
        by_place[0, 0, 1, 0]: {"stars": 2, "favourite": True},
        by_place[1, 2, 0, 0]: {"favourite": True},
        ids[40]: {"favourite": True},
    }


def test_a_file_of_ratings_is_read_and_one_of_another_sweep_is_not(look: Look, tmp_path: Path) -> None:
    source = data()
    page = look(source)
    ratings = {source["cells"][0]["id"]: {"stars": 5, "favourite": True}}
    for name, text in {
        "other.json": json.dumps({"version": 1, "id": "other", "ratings": ratings, "choices": []}),
        "none.json": "[]",
        "own.json": json.dumps({"version": 1, "id": source["id"], "ratings": ratings, "choices": [{"left": 1}]}),
    }.items():
        (tmp_path / name).write_text(text)
        assert page.locator(".given").count() == 0
        page.set_input_files("#import", tmp_path / name)
        page.wait_for_selector("#toast:not([hidden])")
    assert texts(page, ".given") == ["★★★★★♥\ufe0e"]
