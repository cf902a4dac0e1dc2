"""Warm processes: what they run is what a process of its own runs, and one that cannot serve costs nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcdflow.warm import place, start, wire
from tests.helpers import Answer, environment, until


class Room:
    """A directory for sockets, and commands that see it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="warm", dir="/tmp"))  # since paths of sockets must be short
        self.sockets = self.root / "tcdflow"

    def command(self, *argv: str, warm: str = "1", cwd: Path | None = None, **variables: str) -> Answer:
        """Run a command."""
        env = environment({"XDG_RUNTIME_DIR": str(self.root), "TCDFLOW_WARM": warm} | variables)
        del env["PYTEST_CURRENT_TEST"]  # another value is another process
        words = [sys.executable, "-m", "tcdflow", *argv]
        done = subprocess.run(words, cwd=cwd or self.root, env=env, capture_output=True, text=True, timeout=120)
        return Answer(done.returncode, done.stdout, done.stderr)

    def paths(self) -> list[str]:
        return sorted(map(str, self.sockets.glob("*.sock")))

    def status(self) -> dict[str, Any]:
        """What the one process says of itself."""
        (path,) = self.paths()
        said = start.ask(path, "status")
        assert said is not None
        return said

    def end(self) -> None:
        for path in self.paths():
            said = start.stop(path)
            if said is None:
                start.kill(path)
        until(lambda: not any(start.ask(path, "status") for path in self.paths()))
        shutil.rmtree(self.root)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """A room with a warm process."""
    made = Room()
    assert made.command("ls").status == 0
    yield made
    made.end()


@pytest.fixture
def empty() -> Iterator[Room]:
    """A room of a test's own."""
    made = Room()
    yield made
    made.end()


@pytest.mark.parametrize(
    "argv",
    [
        ["ls", "sampling"],
        ["check", "sampling.steps=8", "prompt=it's \u0441\udcff"],
        ["check", "mine.yaml"],
        ["--cfg", "job", "-p", "sampling"],
        ["sampling.stpes=1"],
        ["explain", "nothing.at.all"],
        ["rerun", "nowhere"],
        ["resume"],
    ],
    ids=" ".join,
)
def test_a_command_is_what_it_is_in_a_process_of_its_own(argv: list[str], room: Room, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# @package _global_\nprompt: a fox\nsampling: {steps: 3}\n")
    before = room.status()["commands"]
    said = room.command(*argv, cwd=tmp_path)
    assert room.status()["commands"] == before + 1
    assert said == room.command(*argv, cwd=tmp_path, warm="0")


def test_variables_are_those_of_each_command(room: Room, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("sampling: {steps: 7}\n")
    before = room.status()["commands"]
    own = room.command("--cfg", "job", "-p", "sampling.steps", TCDFLOW_DEFAULTS=str(tmp_path / "own.yaml"))
    plain = room.command("--cfg", "job", "-p", "sampling.steps")
    assert (own.out, room.status()["commands"]) == ("7\n", before + 2)
    assert plain.out not in ("", own.out)


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["warm", "status"], ["help"], ["hydra/launcher=rya"]])
def test_what_is_not_for_it_runs_where_it_is_typed(argv: list[str], room: Room) -> None:
    before = room.status()["commands"]
    room.command(*argv)
    assert room.status()["commands"] == before


def test_while_one_runs_another_takes_a_process_of_its_own(room: Room) -> None:
    (path,) = room.paths()
    channel = place.connect(path)
    assert channel is not None
    with channel:
        wire.send(channel, {"do": "run"})
        assert wire.Incoming(channel).next() == {"ready": room.status()["pid"]}
        before = room.status()
        assert room.command("ls", "sampling") == room.command("ls", "sampling", warm="0")
        assert before["busy"] and room.status()["commands"] == before["commands"]
    until(lambda: not room.status()["busy"])


@pytest.mark.parametrize("sent", [b"", b"{}\n", b"[]\n", b"GET / HTTP/1.1\r\n\r\n", b'{"do": "run"}\n{"argv": 1}\n'])
def test_what_is_no_message_harms_nothing(sent: bytes, room: Room) -> None:
    (path,) = room.paths()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(path)
        channel.sendall(sent)
    until(lambda: not room.status()["busy"])
    assert room.command("ls").status == 0


def test_its_socket_is_for_its_user_alone_and_it_keeps_no_tokens(empty: Room) -> None:
    assert empty.command("ls", HF_TOKEN="hf_secret", NO_PROXY="kept").status == 0
    (path,) = empty.paths()
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert empty.sockets.stat().st_mode & 0o777 == 0o700
    variables = Path(f"/proc/{empty.status()['pid']}/environ").read_text()
    assert "NO_PROXY=kept" in variables and "hf_secret" not in variables
    assert "hf_secret" not in json.dumps(empty.status())


def test_other_variables_have_a_process_of_their_own(empty: Room) -> None:
    empty.command("ls")
    first = empty.status()["pid"]
    assert empty.command("ls", OMP_NUM_THREADS="3", TERM="other", warm="").status == 0
    assert empty.status()["pid"] == first, "without 1, none is started"
    shown = empty.command("warm", "status", OMP_NUM_THREADS="3")
    assert shown.status == 1 and "not for this terminal: other variable OMP_NUM_THREADS" in shown.out
    empty.command("ls", OMP_NUM_THREADS="3")
    until(lambda: len(empty.paths()) == 1)
    assert empty.status()["pid"] != first
    assert empty.command("warm", "status", OMP_NUM_THREADS="3").status == 0


def test_one_that_died_or_hangs_costs_a_start(empty: Room) -> None:
    empty.command("ls")
    (path,) = empty.paths()
    dead = empty.status()["pid"]
    os.kill(dead, signal.SIGKILL)
    assert empty.command("ls", "sampling", warm="") == empty.command("ls", "sampling", warm="0")
    assert empty.command("ls").status == 0
    assert empty.paths() == [path] and empty.status()["pid"] != dead
    hangs = empty.status()["pid"]
    os.kill(hangs, signal.SIGSTOP)
    assert empty.command("ls", "sampling") == empty.command("ls", "sampling", warm="0")
    assert "did not answer, and was killed" in empty.command("warm", "stop").out
    assert empty.paths() == []


def test_stop(empty: Room) -> None:
    empty.command("ls")
    pid = empty.status()["pid"]
    assert empty.command("warm", "stop") == Answer(0, f"warm process {pid} ends\n", "")
    until(lambda: empty.paths() == [])


def test_a_directory_that_others_may_enter_is_not_used(empty: Room) -> None:
    empty.sockets.mkdir()
    empty.sockets.chmod(0o770)
    assert empty.command("ls", "sampling") == empty.command("ls", "sampling", warm="0")
    said = empty.command("warm", "start")
    assert said.status == 1 and "must be a directory of yours" in said.line()
    empty.sockets.rmdir()
    empty.sockets.symlink_to(empty.root)
    assert "must be a directory of yours" in empty.command("warm", "start").line()
    empty.sockets.unlink()
