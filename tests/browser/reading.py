"""What a person sees of a page."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from tests.helpers import until

PRESS = ".cell .press"


def texts(page: Page, selector: str) -> list[str]:
    """The texts of the elements that are visible."""
    return [one.inner_text().strip() for one in page.locator(selector).all() if one.is_visible()]


def names(page: Page) -> list[str]:
    """What a screen reader says of each cell, in the order in which they stand."""
    found = page.locator(PRESS).evaluate_all(
        "some => some.map(one => [one.getBoundingClientRect(), one.getAttribute('aria-label')])"
        ".sort((a, b) => a[0].top - b[0].top || a[0].left - b[0].left).map(([, name]) => name)"
    )
    return [str(name) for name in found]


def figures(page: Page) -> int:
    return page.locator("figure").count()


def fragment(page: Page) -> str:
    return page.url.partition("#")[2]


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def copied(page: Page, key: str) -> str:
    """The text that a key copies."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.keyboard.press(key)
    until(lambda: clipboard(page) != "")
    return clipboard(page)


def exported(page: Page) -> Any:
    """The ratings.json that the key e saves."""
    with page.expect_download() as download:
        page.keyboard.press("e")
    assert download.value.suggested_filename == "ratings.json"
    return json.loads(download.value.path().read_text("utf-8"))


def loaded(page: Page) -> None:
    """Wait until the open images are there."""
    until(
        lambda: bool(
            page.evaluate("[...document.querySelectorAll('.image')].every(one => one.complete && one.naturalWidth)")
        )
    )


def pixels(page: Page, selector: str) -> bytes:
    """What is drawn there, within round corners."""
    shot = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB")
    return shot.crop((10, 10, shot.width - 10, shot.height - 10)).tobytes()
