"""What the README and the pages of ``docs/`` say is run: every command, against a hub cache filled with stand-ins."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tcdflow.config.compose import Composer
from tcdflow.config.distill import DistillComposer
from tests.docs.pages import INDEX, PAGES, README, ROOT, Page
from tests.docs.prefilled import fill_hub, fill_images
from tests.standins import StandIns
from tests.zygote.client import Zygote

SMALL = "base.size=128"
"""Added where a preset of the hub is run, whose thousand pixels a side would only take time here."""

HUB = ("experiment=text", "experiment=styled", "experiment=control", "experiment=inpaint")


@dataclass(frozen=True)
class Ran:
    """What became of what the pages hold: commands with their arguments, answers as shown and given, the program."""

    folder: Path
    commands: list[tuple[list[str], int, str]]
    answers: list[tuple[str, str]]
    program: tuple[int, str]


by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)


@pytest.fixture(scope="module")
def ran(standins: StandIns, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All that the pages hold, run in order in one directory, one process and on one engine."""
    folder = tmp_path_factory.mktemp("pages")
    fill_hub(folder / "hf", standins)
    fill_images(folder / "cache")
    each = dict.fromkeys(tuple(argv) for page in PAGES for argv in page.commands())
    commands = [list(argv) for argv in each]  # one that stands on several pages is run once
    argvs = [[*argv, SMALL] if any(a.startswith(HUB) for a in argv) else argv for argv in commands]
    answers = [shown for page in PAGES for shown in page.answers()]
    (program,) = README.blocks("python")
    words = [*(argv for argv, _ in answers), *argvs, program]
    cache = {"TCDFLOW_CACHE": str(folder / "cache")}
    given = zygote.answers(words, cwd=folder, warm=True, hub=folder / "hf/hub", env=cache)
    return Ran(
        folder,
        [(argv, *one) for argv, one in zip(argvs, given[len(answers) : -1], strict=True)],
        [(shown, said) for (_, shown), (_, said) in zip(answers, given[: len(answers)], strict=True)],
        given[-1],
    )


def test_every_command_works(ran: Ran) -> None:
    assert len(README.commands()) >= 14
    assert len(ran.commands) >= 36
    for argv, status, shown in ran.commands:
        assert status == 0, f"tcdflow {shlex.join(argv)}\n{shown}"


def test_commands_that_draw_leave_images(ran: Ran) -> None:
    drawn = [line for _, _, shown in ran.commands for line in shown.splitlines() if re.fullmatch(r"\S+\.png", line)]
    assert len(drawn) >= 30
    assert all((ran.folder / line).is_file() for line in drawn)


def test_a_shown_answer_is_the_answer(ran: Ran) -> None:
    for shown, said in ran.answers:
        assert said == shown


def test_python_example_runs(ran: Ran) -> None:
    assert ran.program == (0, "")


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
        command = ["make", "-n", f"PYTHON={sys.executable}", target]
        dry = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60)
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


def test_the_readme_and_the_index_lead_to_every_page() -> None:
    assert len(PAGES) >= 25
    links = [page.path.parent / link.partition("#")[0] for page in (README, INDEX) for link in page.links()]
    reached = {link.resolve() for link in links}
    assert {page.path for page in PAGES} - reached == {README.path}
    assert sum(len(page.named_files()) for page in PAGES) >= 20


def whole_configs() -> list[tuple[Page, str]]:
    """Return each YAML of the pages that is an experiment of its own, with its page: it chooses what it overrides."""
    blocks = [(page, block) for page in PAGES if page.path.parent != ROOT for block in page.blocks("yaml")]
    return [(page, block) for page, block in blocks if "defaults:" in block and "/output: webp" not in block]


@pytest.mark.parametrize(("page", "text"), whole_configs(), ids=lambda found: getattr(found, "path", ROOT).name)
def test_a_whole_yaml_composes(page: Page, text: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment/mine.yaml"
    path.parent.mkdir()
    path.write_text(f"# @package _global_\n{text}", "utf-8")
    if "/distill:" in text:
        assert DistillComposer(tmp_path).distillation(["experiment=mine"]).spec.distill.steps == 3000
    else:
        assert Composer(tmp_path).compose(["experiment=mine"]).spec.prompt
    assert page.blocks("yaml")


def test_enough_yamls_compose() -> None:
    assert len(whole_configs()) >= 6


def test_yaml_of_a_sweep_is_valid(zygote: Zygote, tmp_path: Path) -> None:
    (shown,) = Page(ROOT / "docs/sweeps.md").blocks("yaml")
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text(f"# @package _global_\n{shown}")
    done = zygote.run("check", "-m", "--config-dir", str(tmp_path), "experiment=mine", cwd=tmp_path)
    assert done.status == 0, done.err
    assert "6 cells" in done.out
