"""A command line that is none is answered with what was probably meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--foo"], "unrecognized arguments: --foo"),
        (["--config-dri", "x"], "did you mean '--config-dir'?"),
        (["--config-dir", "no/such/place"], "--config-dir = 'no/such/place': directory not found"),
        (["ls", "bas"], "bas: unknown group; there are"),
        (["ls", "bas"], "did you mean 'base'?"),
        (["lokc"], "tcdflow: unknown command or override 'lokc'; did you mean 'lock'?\n"),
        (["promt"], "tcdflow: unknown command or override 'promt'; did you mean 'prompt=...'?\n"),
        (["stpes"], "did you mean 'sampling.steps=...'?"),
        (["sampling.stpes"], "did you mean 'sampling.steps=...'?"),
        (["experimnt"], "did you mean 'experiment=...'?"),
        (["xyzzy"], "tcdflow: unknown command or override 'xyzzy'\n"),
        (["check", "lokc"], "unknown command or override 'lokc'"),
        (["check", "check"], "unknown override 'check'; did you mean 'tcdflow check'?"),
        (["base=emoji", "check"], "unknown override 'check'; did you mean 'tcdflow check base=emoji'?"),
        (["-m", "check", "base=emoji"], "unknown override 'check'; did you mean 'tcdflow check -m base=emoji'?"),
        (["--config-dir", "my dir", "check"], "did you mean 'tcdflow check --config-dir 'my dir''?"),
        (["a red fox"], "unknown command or override 'a red fox'; did you mean 'prompt=a red fox', in quotes?"),
        (["big", "red", "fox"], "did you mean 'prompt=big red fox', in quotes?"),
        (["fox"], "tcdflow: unknown command or override 'fox'\n"),
        (["heart"], "tcdflow: unknown command or override 'heart'\n"),
        (["rerun", "no/such/place", "--sample", "3"], "no/such/place: cannot be read: No such file or directory"),
        (
            ["prompt=a", "red", "heart"],
            "unknown command or override 'heart'; did you mean 'prompt=a red heart', in quotes?",
        ),
        (["ls", "sweep"], "did you mean 'sweep.'?"),
        (["ls", "smapling."], "did you mean 'sampling.'?"),
        (["explain", "sampling.stpes"], "did you mean 'sampling.steps'?"),
        (["explain", "loras.tcd.wieght"], "did you mean 'loras.tcd.weight'?"),
        (["explain", "chekc"], "did you mean 'check'?"),
        (["schema", "lora"], "did you mean 'loras'?"),
        (["help", "rernu"], "did you mean 'rerun'?"),
        (["check", "--jsn"], "did you mean '--json'?"),
        (["rerun", "--verfiy", "x"], "did you mean '--verify'?"),
        (["-m", "base=emoji,sdlx"], "did you mean 'sdxl'?"),
        (["--config-dir"], "--config-dir: argument --config-dir/-cd: expected one argument"),
    ],
)
def test_a_wrong_command_is_answered(argv: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(argv) == 2
    assert said in capfd.readouterr().err


LONG = "y" * 300


@pytest.mark.parametrize(
    "argv",
    [
        ["check", f"hydra.run.dir={LONG}"],
        ["-m", f"hydra.sweep.dir={LONG}", "sampling.seed=1,2"],
        [f"{LONG}.yaml"],
        ["show", LONG],
        ["lock", "--output", LONG],
        ["init", LONG],
        ["check", "-m", "task=image_to_image", f"task.image=glob({LONG}/*)"],
    ],
)
def test_a_name_that_no_file_can_have(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dispatch(argv) == 2
    told = r"tcdflow: .*yyy\.\.\.'?: has a name that is too long for a file or folder\n"
    assert re.fullmatch(told, capfd.readouterr().err)
    assert not list(tmp_path.iterdir())
