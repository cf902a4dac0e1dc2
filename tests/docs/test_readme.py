"""What the README says is run: every command of it, against a hub cache filled with stand-ins."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.prefilled import fill_hub, fill_images
from tests.standins import StandIns

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SMALL = "base.size=128"
"""Added where a preset of the hub is run, whose thousand pixels a side would only take time here."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The tcdflow commands of the README, in order, as argument lists."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("tcdflow ")]


@pytest.fixture(scope="module")
def results(standins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[str], int, str, Path]]:
    folder = tmp_path_factory.mktemp("readme")
    fill_hub(folder / "hf", standins)
    fill_images(folder / "cache")
    hub = ("experiment=text", "experiment=styled", "experiment=control", "experiment=inpaint")
    argvs = [[*argv, SMALL] if any(a.startswith(hub) for a in argv) else argv for argv in commands()]
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


def test_every_command_works(results: list[tuple[list[str], int, str, Path]]) -> None:
    assert len(results) >= 11
    for argv, status, shown, _ in results:
        assert status == 0, f"tcdflow {shlex.join(argv)}\n{shown}"


def test_commands_that_draw_leave_images(results: list[tuple[list[str], int, str, Path]]) -> None:
    drawn = [line for _, _, shown, _ in results for line in shown.splitlines() if line.endswith(".png")]
    assert len(drawn) >= 14
    assert all((results[0][3] / line).is_file() for line in drawn)


def test_shown_answers_are_the_answers(tmp_path: Path) -> None:
    shown = [block for block in blocks("console") if block.startswith("$ tcdflow")]
    assert len(shown) >= 1
    for block in shown:
        command, _, expected = block.partition("\n")
        argv = shlex.split(command)[2:]
        done = subprocess.run([sys.executable, "-m", "tcdflow", *argv], cwd=tmp_path, text=True, capture_output=True)
        assert done.stdout + done.stderr == expected


def test_the_yaml_is_the_experiment() -> None:
    (shown,) = blocks("yaml")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "conf/experiment/styled_lora.yaml").read_text("utf-8"))


def test_every_experiment_is_named() -> None:
    names = [path.stem for path in (ROOT / "conf/experiment").glob("*.yaml")]
    assert len(names) >= 15
    assert [name for name in names if f"`{name}`" not in README] == []


def test_make_targets_exist() -> None:
    named = set(re.findall(r"`?make ([a-z]+)\b`?", " ".join(re.findall(r"`make [a-z]+`|^make [a-z]+$", README, re.M))))
    assert {"demo", "test", "bench"} <= named
    for target in named:
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, text=True, capture_output=True)
        assert dry.returncode == 0, dry.stderr
        if target == "demo":
            assert "tcdflow experiment=quickstart" in dry.stdout


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) >= 3
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_python_example_runs(tmp_path: Path) -> None:
    (example,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("outputs/*/*/000.png"))
