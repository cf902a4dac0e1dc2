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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tcdflow.warm import place, start, wire
from tests.helpers import Answer, environment, until
from tests.zygote.client import Zygote


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
    assert empty.command("ls").status == 0
    assert empty.status()["pid"] != pid, "the next command does not meet the one that ends"


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


class Runs:
    """A warm process with libraries imported, which the zygote forks, and runs in it."""

    def __init__(self, room: Room, zygote: Zygote, cwd: Path) -> None:
        self._room, self._cwd = room, cwd
        self.env = {"XDG_RUNTIME_DIR": str(room.root), "TCDFLOW_WARM": "", "OMP_NUM_THREADS": "1"}
        code = (
            "from tcdflow.engine.threads import set_spinning; set_spinning(); "
            "from tcdflow.warm.identity import digest, identity; print(digest(identity()))"
        )
        name = subprocess.run([sys.executable, "-c", code], env=self._env(), capture_output=True, text=True, timeout=60)
        room.sockets.mkdir(0o700)
        path = str(room.sockets / f"{name.stdout.strip()}.sock")
        self.process = zygote.start(cwd=cwd, env=self.env, before="be_warm", twist=path)
        until(lambda: start.ask(path, "status") is not None)

    def start(self, *argv: str, umask: int = 0o022) -> subprocess.Popen[str]:
        """Start a command."""
        words = [sys.executable, "-m", "tcdflow", *argv]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=self._cwd, env=self._env(), stdout=pipe, stderr=pipe, text=True, umask=umask)

    def run(self, *argv: str, umask: int = 0o022) -> Answer:
        """Run a command in it."""
        before = self._room.status()["commands"]
        answer = self.end(self.start(*argv, umask=umask))
        assert self._room.status()["commands"] == before + 1
        return answer

    def end(self, process: subprocess.Popen[str]) -> Answer:
        out, err = process.communicate(timeout=120)
        return Answer(process.returncode, out, err)

    def _env(self) -> dict[str, str]:
        env = environment(self.env)
        del env["PYTEST_CURRENT_TEST"]
        return env


@pytest.fixture
def runs(empty: Room, zygote: Zygote, tmp_path: Path) -> Iterator[Callable[[], Runs]]:
    """Starts the process; before that, the zygote can run commands in processes of their own."""
    yield lambda: Runs(empty, zygote, tmp_path)


KINDS = {
    "a": ["prompt=a red heart"],
    "b": ["prompt=a fox", "loras=[]", "scheduler=ddim", "sampling.guidance_scale=3"],
    "c": ["prompt=a red heart", "sampling.num_images=2", "lora_stack.fuse=false"],
}
OWN = ("started", "finished", "execution")


def test_images_and_records_are_those_of_processes_of_their_own(
    runs: Callable[[], Runs], zygote: Zygote, tmp_path: Path
) -> None:
    for name, words in KINDS.items():
        assert zygote.run(*words, "sampling.steps=2", f"hydra.run.dir={name}", cwd=tmp_path).status == 0
    cold = {name: json.loads((tmp_path / name / "run.json").read_text()) for name in KINDS}
    for name in KINDS:
        shutil.rmtree(tmp_path / name)
    warm = runs()
    for name in [*KINDS, *reversed(KINDS)]:
        said = warm.run(*KINDS[name], "sampling.steps=2", f"hydra.run.dir={name}", umask=0o027)
        assert said.status == 0
        assert said.out.splitlines()[0] == f"{tmp_path}/{name}/000.png"
        record = json.loads((tmp_path / name / "run.json").read_text())
        assert [o["pixel_sha256"] for o in record["outputs"]] == [o["pixel_sha256"] for o in cold[name]["outputs"]]
        assert {k: v for k, v in record.items() if k not in OWN} == {
            k: v for k, v in cold[name].items() if k not in OWN
        }
        assert (tmp_path / name / "run.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_stopped_leaves_the_process_well(
    number: signal.Signals, runs: Callable[[], Runs], empty: Room, tmp_path: Path
) -> None:
    warm = runs()
    few = ["prompt=a red heart", "sampling.steps=1"]
    expected = warm.run(*few, "hydra.run.dir=before")
    assert expected.status == 0
    long = warm.start("prompt=a fox", "sampling.num_images=200", "hydra.run.dir=long")
    until(lambda: (tmp_path / "long/run.json").exists())
    long.send_signal(number)
    said = warm.end(long)
    assert said.status == (-number if number == signal.SIGKILL else 130)
    if number != signal.SIGKILL:
        assert said.err.splitlines()[-1] == "tcdflow: interrupted"
    until(lambda: not empty.status()["busy"])
    assert json.loads((tmp_path / "long/run.json").read_text())["status"] == "interrupted"
    assert warm.run(*few, "hydra.run.dir=after").status == 0
    assert (tmp_path / "after/000.png").read_bytes() == (tmp_path / "before/000.png").read_bytes()


def test_a_process_that_is_killed_ends_its_command_in_one_line(runs: Callable[[], Runs], tmp_path: Path) -> None:
    warm = runs()
    long = warm.start("prompt=a fox", "sampling.num_images=200", "hydra.run.dir=long")
    until(lambda: (tmp_path / "long/run.json").exists())
    warm.process.send(signal.SIGKILL)
    said = warm.end(long)
    assert said.status == 1
    assert f"the warm process {warm.process.pid} ended before this command did" in said.line()
    assert warm.end(warm.start("ls", "sampling")).status == 0
