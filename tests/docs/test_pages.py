"""What the README and the pages of ``docs/`` say is run: every command, against a hub cache filled with stand-ins."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import PAGES, README, ROOT, Page
from tests.docs.prefilled import fill_hub, fill_images
from tests.standins import StandIns

SMALL = "base.size=128"
"""Added where a preset of the hub is run, whose thousand pixels a side would only take time here."""

HUB = ("experiment=text", "experiment=styled", "experiment=control", "experiment=inpaint")

Results = list[tuple[list[str], int, str, Path]]
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)


@pytest.fixture(scope="module")
def results(standins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The commands of all pages, run in order in one directory: arguments, status, output, directory."""
    folder = tmp_path_factory.mktemp("pages")
    fill_hub(folder / "hf", standins)
    fill_images(folder / "cache")
    commands = [argv for page in PAGES for argv in page.commands()]
    argvs = [[*argv, SMALL] if any(a.startswith(HUB) for a in argv) else argv for argv in commands]
    env = os.environ | {
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
        "TCDFLOW_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.commands"],
        input=json.dumps(argvs),
        cwd=folder,
        env=env,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return [(argv, status, shown, folder) for argv, (status, shown) in zip(argvs, json.loads(done.stdout), strict=True)]


def test_every_command_works(results: Results) -> None:
    assert len(README.commands()) >= 14
    assert len(results) >= 36
    for argv, status, shown, _ in results:
        assert status == 0, f"tcdflow {shlex.join(argv)}\n{shown}"


def test_commands_that_draw_leave_images(results: Results) -> None:
    drawn = [line for _, _, shown, _ in results for line in shown.splitlines() if line.endswith(".png")]
    assert len(drawn) >= 30
    assert all((results[0][3] / line).is_file() for line in drawn)


@pytest.mark.parametrize(("argv", "expected"), [shown for page in PAGES for shown in page.answers()])
def test_a_shown_answer_is_the_answer(argv: list[str], expected: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "tcdflow", *argv], cwd=tmp_path, text=True, capture_output=True)
    assert done.stdout + done.stderr == expected


def test_answers_are_shown() -> None:
    assert len(README.answers()) >= 1
    assert sum(len(page.answers()) for page in PAGES) >= 3


def test_the_yaml_is_the_experiment() -> None:
    (shown,) = README.blocks("yaml")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "conf/experiment/styled_lora.yaml").read_text("utf-8"))


def test_a_file_shown_whole_is_the_file() -> None:
    listings = [listing for page in PAGES for listing in page.listings()]
    assert len(listings) >= 2
    for name, shown in listings:
        assert (ROOT / name).read_text("utf-8") == shown, name


def test_every_experiment_is_named() -> None:
    names = [path.stem for path in (ROOT / "conf/experiment").glob("*.yaml")]
    assert len(names) >= 15
    assert [name for name in names if f"`{name}`" not in README.text] == []


def test_make_targets_exist() -> None:
    named = {target for page in PAGES for target in page.named_targets()}
    assert {"demo", "test", "quick", "bench", "reference"} <= named
    for target in named:
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, text=True, capture_output=True)
        assert dry.returncode == 0, dry.stderr
        if target == "demo":
            assert "tcdflow experiment=quickstart" in dry.stdout


@by_page
def test_links_lead_somewhere(page: Page) -> None:
    assert [link for link in page.links() if not leads_somewhere(page.path.parent, link)] == []


def leads_somewhere(directory: Path, link: str) -> bool:
    name, _, section = link.partition("#")
    path = directory / name
    return path.exists() and (not section or section in Page(path).sections())


@by_page
def test_files_that_are_named_exist(page: Page) -> None:
    assert [name for name in sorted(page.named_files()) if not (ROOT / name).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    assert len(PAGES) >= 9
    assert {page.path for page in PAGES} - {ROOT / link for link in README.links()} == {README.path}
    assert sum(len(page.named_files()) for page in PAGES) >= 20


def test_python_example_runs(tmp_path: Path) -> None:
    (example,) = README.blocks("python")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("outputs/*/*/000.png"))


def test_yaml_of_a_sweep_is_valid(tmp_path: Path) -> None:
    (shown,) = Page(ROOT / "docs/sweeps.md").blocks("yaml")
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text(f"# @package _global_\n{shown}")
    argv = ["check", "-m", "--config-dir", str(tmp_path), "experiment=mine"]
    done = subprocess.run([sys.executable, "-m", "tcdflow", *argv], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "6 cells" in done.stdout
