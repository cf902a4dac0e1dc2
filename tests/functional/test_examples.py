"""Every example that a command's ``--help`` shows is run, one after the other in one directory."""

from __future__ import annotations

import io
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcdflow.cli import run
from tcdflow.cli.command import dispatch
from tcdflow.cli.engines import shared
from tcdflow.cli.verbs import VERBS

EXAMPLES = [
    command
    for parser in (run.parser(), *(verb.module.parser() for verb in VERBS.values()))
    for command, _ in parser.examples
    # Those have tests of their own, and take long: Ray starts for seconds, and a LoRA is distilled for minutes.
    if "hydra/launcher=ray" not in command and not command.startswith("tcdflow distill distill.")
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a run and sweeps of the names that examples use; one engine serves them and the examples."""
    folder = tmp_path_factory.mktemp("examples")
    with shared(), pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as sockets:
        patch.chdir(folder)
        patch.setenv("XDG_RUNTIME_DIR", sockets)
        assert dispatch(["sampling.steps=2", "hydra.run.dir=outputs/fox"]) == 0
        axes = ["sampling.seed=0,1", "sampling.eta=0,1", "prompt=a fox,a bear"]
        assert dispatch(["-m", "sampling.steps=1", *axes, "hydra.sweep.dir=outputs/sweeps/demo"]) == 0
        teacher = ("loras=[]", "scheduler=ddim", "sampling.eta=0", "sampling.steps=16", axes[2])
        for name, words in (
            ("sweeps/steps", axes[::2]),
            ("sweeps/teacher", teacher),
            ("all/tcd", axes),
            ("all/ddim", teacher),
        ):
            assert dispatch(["-m", "sampling.steps=1", *words, f"hydra.sweep.dir=outputs/{name}"]) == 0
        (folder / "lines.txt").write_text("ls base\n")
        yield folder
        dispatch(["warm", "stop"])


@pytest.mark.parametrize("command", EXAMPLES)
def test_it_works(command: str, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "stdin", io.StringIO("ls base\n"))
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # a warm process serves those with the same variables
    assert dispatch(shlex.split(command)[1:]) == 0
    out, err = capfd.readouterr()
    assert out or err


def test_there_are_two_of_each() -> None:
    assert len(EXAMPLES) >= 2 * (len(VERBS) + 1) - 1
