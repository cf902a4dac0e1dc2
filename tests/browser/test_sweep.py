"""A real sweep's page: what it shows is what was made, and its commands make it again."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tcdflow.gallery.data import Cell
from tests.browser.conftest import Look
from tests.browser.reading import PRESS, copied, figures, loaded, names
from tests.standins.gallery import page_data
from tests.zygote.client import Zygote

pytestmark = pytest.mark.browser

PROMPTS = ['it\'s a "red heart"', "a fox for $5 \\ `id` !1", "a panda\non two lines", "분홍색 배경의 성 $HOME"]


@pytest.fixture(scope="module")
def swept(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four prompts, three etas, two numbers of steps, two seeds."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in PROMPTS), "utf-8")
    axes = ["sampling.eta=0,0.5,1", "sampling.steps=1,2", "sampling.seed=1,2", "sweep.prompts_from=prompts.jsonl"]
    done = zygote.run("-m", *axes, "hydra.sweep.dir=demo sweep", cwd=folder)
    assert done.status == 0, done.err
    return folder / "demo sweep"


def words(command: str, folder: Path) -> list[str]:
    """The words of a command, as bash hands them on when it is pasted."""
    script = f"tcdflow() {{ printf '%s\\0' \"$@\"; }}\n{command}\n"
    done = subprocess.run(["bash", "--norc"], input=script.encode(), capture_output=True, check=True, cwd=folder)
    return done.stdout.decode().split("\0")[:-1]


def record(directory: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((directory / "run.json").read_text("utf-8"))
    return read


def of_prompt(swept: Path, number: int) -> list[Cell]:
    """The cells of one of the prompts."""
    data = page_data(swept / "index.html")
    place = [axis["key"] for axis in data["axes"]].index("prompt")
    assert len(data["axes"][place]["values"]) == len(PROMPTS)
    return [cell for cell in data["cells"] if cell["at"][place] == number]


def open_cell(page: Page, cell: str) -> None:
    page.goto(page.url.partition("#")[0] + f"#layout=wall&size=64&cell={cell}")
    page.wait_for_selector("#single[open]")


def test_all_images_are_shown(look: Look, swept: Path) -> None:
    page = look(swept / "index.html", "#layout=wall&size=64")
    assert figures(page) == 48
    assert len(set(names(page))) == 48
    page.locator(PRESS).first.focus()
    page.keyboard.press("Enter")
    for _ in range(3):
        loaded(page)
        page.keyboard.press("ArrowRight")


def test_copied_commands_make_the_identical_images(look: Look, swept: Path, zygote: Zygote) -> None:
    page = look(swept / "index.html")
    for prompt in random.sample(range(len(PROMPTS)), 3):
        open_cell(page, random.choice(of_prompt(swept, prompt))["id"])
        made = zygote.run(*words(copied(page, "v"), swept.parent), cwd=swept.parent)
        assert made.status == 0, made.err


def test_overrides_and_yaml_name_the_same_run(look: Look, swept: Path, zygote: Zygote) -> None:
    page = look(swept / "index.html")
    cell = of_prompt(swept, 2)[-1]  # the prompt on two lines
    open_cell(page, cell["id"])
    known = record(swept / cell["name"])
    (swept.parent / "copied.yaml").write_text(copied(page, "y"), "utf-8")
    for name, argv in {"overrides": words(copied(page, "o"), swept.parent), "yaml": ["copied.yaml"]}.items():
        done = zygote.run(*argv, f"hydra.run.dir={name}", cwd=swept.parent)
        assert done.status == 0, done.err
        made = record(swept.parent / name)
        assert made["key"] == known["key"]
        assert made["outputs"][0]["pixel_sha256"] == known["outputs"][0]["pixel_sha256"]
