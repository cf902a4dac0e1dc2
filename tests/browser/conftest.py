"""Chromium, and pages of galleries in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tcdflow.gallery.data import Data
from tcdflow.gallery.page.html import html

Look = Callable[..., Page]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile. It lives as long as a module: Playwright keeps an event loop for itself."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; install it with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Browser, tmp_path: Path) -> Iterator[Look]:
    """Open data, or a page that is there, at a fragment; options are those of a browser's context.

    A page that complains, or that asks for anything but files beside it, fails its test.
    """
    contexts = []
    heard: list[str] = []

    def request(asked: Request) -> None:
        if not asked.url.startswith(("file:", "data:", "blob:")):
            heard.append(f"asks for {asked.url}")

    def open_page(
        source: Data | Path, fragment: str = "", width: int = 1440, height: int = 900, **options: Any
    ) -> Page:
        if isinstance(source, Path):
            path = source
        else:
            path = tmp_path / "index.html"
            path.write_text(html(source), "utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"], **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
        page.on("request", request)
        page.goto(f"{path.as_uri()}{fragment}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # Stand-ins may have no files; what the policy stops is an error of its own besides this.
    assert [text for text in heard if "net::ERR_FILE_NOT_FOUND" not in text and "TrustedHTML" not in text] == []
