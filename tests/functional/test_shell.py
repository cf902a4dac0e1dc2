"""The shell: lines of one process are what a process of each would be, and a line that fails harms no other."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import tcdflow
from tcdflow.cli import shell
from tcdflow.engine.engine import Engine
from tcdflow.errors import RequestError
from tcdflow.record import document
from tests.helpers import Answer, environment

Said = Callable[..., Answer]
PROMPT = b"tcdflow> "
INTERRUPT = b"\x03"


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run lines in an empty directory."""

    def run(*texts: str) -> Answer:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{text}\n" for text in texts)))
        status = shell.main([])
        out, err = capsys.readouterr()
        return Answer(status, out.replace(f"{tmp_path}/", ""), err)

    return run


def test_its_images_are_those_of_processes_of_their_own(lines: Said, tmp_path: Path) -> None:
    kinds = {
        "a": ["prompt=a red heart"],
        "b": ["prompt=a fox", "loras=[]", "scheduler=ddim", "sampling.guidance_scale=3"],
        "c": ["prompt=it's", "sampling.num_images=2", "sampling.eta=1"],
        "d": ["prompt=a red heart", "lora_stack.fuse=false"],
    }
    few = "sampling.steps=2"
    said = lines("# a comment", "", *(shlex.join([*k, few, f"hydra.run.dir={name}"]) for name, k in kinds.items()))
    assert (said.status, said.out.split()) == (0, ["a/000.png", "b/000.png", "c/000.png", "c/001.png", "d/000.png"])
    for name, overrides in kinds.items():
        alone = tcdflow.run(*overrides, few, f"hydra.run.dir={tmp_path}/alone/{name}").record
        there = document.read(tmp_path / name)
        assert [o.pixel_sha256 for o in there.outputs] == [o.pixel_sha256 for o in alone.outputs]
        assert there.key == alone.key


def test_the_model_stays_loaded_whatever_is_mistyped(lines: Said, tmp_path: Path) -> None:
    run = "sampling.steps=1 hydra.run.dir="
    (tmp_path / "file").touch()
    said = lines(f"{run}a", f"tcdflow {run}b", "sampling.stpes=1", f"{run}c", f"{run}d base.vae=file", f"{run}e")
    loads = re.findall(r"^1 image in .*?\((.*)\)", said.err, re.MULTILINE)
    assert ["load " in load for load in loads] == [True, False, False, False]
    assert said.status == 2
    assert "tcdflow: line 3 ended with status 2" in said.err


def test_an_engine_that_failed_is_not_used_again(lines: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = Engine.run_together
    failed: list[object] = []

    def fails_once(self: Engine, *args: object, **kwargs: object) -> object:
        made = generate(self, *args, **kwargs)  # type: ignore[arg-type]
        if len(failed) < 1:
            failed.append(made)
            raise RuntimeError("a fault")
        return made

    monkeypatch.setattr(Engine, "run_together", fails_once)
    said = lines("sampling.steps=1 hydra.run.dir=a", "sampling.steps=1 hydra.run.dir=b")
    assert failed
    assert (said.status, said.out) == (1, "b/000.png\n")
    assert "(load " in said.err


def test_overrides_that_are_set(lines: Said, tmp_path: Path) -> None:
    said = lines(
        "set sampling.steps=1 'prompt=a b'",
        "hydra.run.dir=a",
        "prompt=other hydra.run.dir=b",
        "set",
        "unset prompt",
        "hydra.run.dir=c",
        "last",
        "unset",
        "set",
        "rerun a --verify",
    )
    assert said.status == 0
    specs = {name: document.read(tmp_path / name).spec for name in "abc"}
    assert [specs[name]["prompt"] for name in "ab"] == ["a b", "other"]
    assert specs["c"]["prompt"] not in ("a b", "other")
    assert {spec["sampling"]["steps"] for spec in specs.values()} == {1}
    assert said.out.splitlines()[2:6] == ["sampling.steps=1", "'prompt=a b'", "c/000.png", "c/000.png"]
    assert said.out.splitlines()[6:] == ["000.png: identical"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("prompt='a", "line: no closing quotation"),
        ("shell", "line: 'shell' runs in no other shell"),
        ("set steps", "set = 'steps': takes overrides, such as sampling.steps=8"),
        ("set sampling.stpes=1", "sampling.stpes: unknown key; did you mean 'steps'? [sampling.stpes=1]"),
        ("set sampling.eta=0,7", "sampling.eta = 7: must be at least 0 and at most 1"),
        ("set distill.steps=0", "distill.steps"),
        ("unset prompt", "prompt: is not set; set alone shows what is"),
        ("last image", "last: takes no arguments"),
        ("last", "last: no line has made an image yet"),
        ("rerun nowhere", "nowhere"),
    ],
)
def test_a_wrong_line_is_answered_in_one(line: str, told: str, lines: Said) -> None:
    said = lines(line, "exit", "never")
    assert (said.status, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 2


def test_what_is_wrong_is_not_set_and_what_a_line_completes_is(lines: Said) -> None:
    fine = shlex.split("sampling.seed=1,2 task=inpainting loras.mine.weight=0.5 lock=none.json prompt=a tracker=mlflow")
    said = lines(f"set {' '.join(fine)}", "set prompt=b sampling.eta=7", "set", "unset", "set distill.steps=50", "set")
    assert said.out.splitlines() == [*fine, "distill.steps=50"]
    assert said.err.splitlines()[1:] == ["tcdflow: line 2 ended with status 2"]


def test_lines_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("ls sampling\nsampling.stpes=1\nexit\nnever\n")
    assert shell.main([str(file)]) == 2
    assert "few_step" in capsys.readouterr().out
    with pytest.raises(RequestError, match="cannot be read"):
        shell.main([str(tmp_path / "none.txt")])


def test_at_a_terminal(tmp_path: Path) -> None:
    """Completion, the history of an earlier session, Ctrl-C at the prompt and Ctrl-D."""
    env = environment({"TCDFLOW_CACHE": str(tmp_path / "cache"), "TERM": "dumb"})
    first = typed([b"ls sampl\t\n", b"nonsense" + INTERRUPT, b"\x04"], tmp_path, env)
    assert b"few_step" in first
    second = typed([b"\x1b[A\n", b"\x04"], tmp_path, env)
    assert b"few_step" in second
    assert (tmp_path / "cache/shell_history").stat().st_mode & 0o777 == 0o600


def typed(keys: list[bytes], where: Path, env: dict[str, str]) -> bytes:
    """Type into a shell, each as soon as it asks for more, and return what the terminal shows.

    Enter follows an interrupt after a second of silence: Python's ``readline`` sees one that comes between the prompt
    and its waiting for keys only then. Nobody types that fast.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(where)
        os.execve(sys.executable, [sys.executable, "-m", "tcdflow", "shell"], env)
    shown, last = b"", b""
    for key in keys:
        while not shown.endswith(PROMPT):
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 65536)
            elif last.endswith(INTERRUPT):
                os.write(terminal, b"\n")
        os.write(terminal, key)
        shown, last = shown + b"typed", key
    with suppress(OSError):  # how Linux says that the other end is closed
        while True:
            shown += os.read(terminal, 65536)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return shown
