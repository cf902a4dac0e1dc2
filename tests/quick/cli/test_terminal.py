"""Nothing that is printed drives a terminal, or shows text in another order than it has."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.cli.streams import printable_output
from tcdflow.multirun import colours
from tests.helpers import GLOBAL, Write

NASTY = "a\u202eb\u2066c\x1b[31md\x9be\u200bf"
ARGVS = [
    ["--cfg", "job"],
    ["--cfg", "job", "--resolve"],
    ["--cfg", "all"],
    ["--info", "config"],
    ["--info", "defaults"],
    ["--info", "searchpath"],
    ["check"],
    ["check", "--json"],
    ["check", "-m", "sampling.seed=1,2"],
    ["ls", "experiment"],
    ["ls", "experiment", "--json"],
]


def safe(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in text)


@pytest.mark.parametrize("argv", ARGVS, ids=" ".join)
def test_values_and_names_of_a_config(
    argv: list[str], configs: Write, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "x\u202e\x1b[31m"
    configs({"experiment/nasty.yaml": f'{GLOBAL}negative_prompt: "{NASTY}"\nprompt: "{NASTY}"\n'.replace("\x1b", "\\e")
             .replace("\x9b", "\\x9b")}).rename(folder)  # fmt: skip
    chosen = [] if argv[0] == "ls" else ["experiment=nasty"]
    status = dispatch([*argv, *chosen, "--config-dir", str(folder)])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert out
    assert safe(out + err)


def test_tabs_and_lines_stay(capfd: pytest.CaptureFixture[str]) -> None:
    with printable_output():
        sys.stdout.write("a\tb\nc\rd\x1b\n")
    assert capfd.readouterr().out == "a\tb\nc\\rd\\x1b\n"


@pytest.mark.parametrize(
    ("terminal", "no_color", "kept"), [(True, None, True), (True, "", True), (True, "1", False), (False, None, False)]
)
def test_libraries_write_colours_on_a_terminal_alone(
    terminal: bool, no_color: str | None, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    if no_color is None:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", no_color)
    with colours.on_terminals_alone():
        logging.StreamHandler().emit(logging.makeLogRecord({"msg": "\x1b[1;32m[I]\x1b[0m a study"}))
    assert stream.getvalue() == ("\x1b[1;32m[I]\x1b[0m a study\n" if kept else "[I] a study\n")


def test_a_working_directory_that_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for argv in (["check"], ["rerun", "x"], ["ls"]):
        assert dispatch(argv) == 2
        out, err = capfd.readouterr()
        assert (out, err) == (
            "",
            "tcdflow: the working directory is not there: No such file or directory; change to another one (cd)\n",
        )
