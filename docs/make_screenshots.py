"""Makes the screenshots of the gallery's page in Chromium: ``python docs/make_screenshots.py``, a minute on a CPU."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

HERE = Path(__file__).parent / "images"
PROMPTS = '"a fox on a green background","a red heart","a panda","a castle on a pink background"'
AXES = [f"prompt={PROMPTS}", "sampling.eta=0,0.5,1", "sampling.steps=2,4", "sampling.seed=1,2"]
SIZE: ViewportSize = {"width": 1280, "height": 800}


def main() -> None:
    """Write the grid, and the slider between two values of eta."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        command = [sys.executable, "-m", "tcdflow", "-m", *AXES, "hydra.sweep.dir=demo"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        address = (Path(folder) / "demo/index.html").as_uri()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, dark, fragment, keys in (
            ("gallery", False, "#colour=sharpness", ()),
            ("slider", True, "", ("ArrowRight", "Enter", "ArrowRight", "m", "m", "4")),
        ):
            page = browser.new_page(viewport=SIZE, color_scheme="dark" if dark else "light")
            page.goto(address + fragment)
            for key in keys:
                page.keyboard.press(key)
            if dark:
                page.click("[data-key=command-o]")
            _save(page, name)
        browser.close()


def _save(page: Page, name: str) -> None:
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").save(HERE / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
