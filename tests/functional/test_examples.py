"""Every example that a command's ``--help`` shows is run, one after the other in one directory."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import pytest

from tcdflow.cli import run
from tcdflow.cli.main import dispatch
from tcdflow.cli.verbs import VERBS

EXAMPLES = [
    command
    for parser in (run.parser(), *(verb.module.parser() for verb in VERBS.values()))
    for command, _ in parser.examples
    if "hydra/launcher=ray" not in command  # it has tests of its own, and starts for seconds
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run and a sweep of the names that examples use."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert dispatch(["sampling.steps=2", "hydra.run.dir=outputs/fox"]) == 0
        axes = ["sampling.seed=0,1", "sampling.eta=0,1", "prompt=a fox,a bear"]
        assert dispatch(["-m", "sampling.steps=1", *axes, "hydra.sweep.dir=outputs/sweeps/demo"]) == 0
        (folder / "lines.txt").write_text("ls base\n")
    return folder


@pytest.mark.parametrize("command", EXAMPLES)
def test_it_works(command: str, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "stdin", io.StringIO("ls base\n"))
    assert dispatch(shlex.split(command)[1:]) == 0
    out, err = capfd.readouterr()
    assert out or "cells in" in err


def test_there_are_two_of_each() -> None:
    assert len(EXAMPLES) >= 2 * (len(VERBS) + 1)
