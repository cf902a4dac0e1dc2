"""Processes that run one command after the other: no signal reaches a command that it was not meant for."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcdflow.cli import serve
from tcdflow.cli.signals import INTERRUPTED
from tcdflow.warm import place, start
from tests.helpers import environment, until

PREAMBLE = """
import os, signal, sys, time
from tcdflow.cli import in_turn, serve, signals
from tcdflow.cli.process import prepare_process
from tcdflow.cli.shell import Shell
signal.signal(signal.SIGINT, signal.SIG_IGN)
prepare_process()

signals._ONE_WISH = 60.0

class Call:
    signalled = False
    def begin(self): pass
    def settle(self): pass

class Engine:
    asked = False
    def close(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

def twice(argv):  # a Ctrl-C, and another one while the first is answered: one wish
    engine.asked = True
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)

engine = Engine()
heard = []
"""
"""What stands for commands and their callers, in a process like a warm one."""

NEXT = """
engine.asked = False
in_turn.dispatch = lambda argv: heard.append(signals.interrupted()) or 0
print(serve.run(["x"], Call(), engine), heard[-1])
"""
"""A command, and whether it was interrupted as it began."""

TWICE = """
in_turn.dispatch = twice
print(serve.run(["x"], Call(), engine))
"""

BEFORE = """
run = in_turn.run
def early(argv, engine):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
in_turn.run = early
print(serve.run(["x"], Call(), engine))
in_turn.run = run
"""

AFTER = """
forget = in_turn.forget
def late():
    forget()
    os.kill(os.getpid(), signal.SIGINT)
in_turn.forget, in_turn.dispatch = late, lambda argv: 0
print(serve.run(["x"], Call(), engine))
in_turn.forget = forget
"""

SHELL = """
signal.signal(signal.SIGINT, signal.default_int_handler)
in_turn.dispatch = twice
print(Shell(engine).run(["x"]))
"""


def said(code: str) -> list[str]:
    command = [sys.executable, "-c", PREAMBLE + code + NEXT]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("code", [TWICE, BEFORE, AFTER, SHELL], ids=["twice", "before", "after", "in a shell"])
def test_an_interrupt_ends_its_own_command_alone(code: str) -> None:
    assert said(code) == [str(INTERRUPTED), "0 False"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Server]:
    monkeypatch.chdir(tmp_path)
    listening = place.listen("a.sock")
    yield serve.Server(listening, Path("a.sock"), 30.0)
    listening.close()


LATE = """
import socket
from pathlib import Path
from tcdflow.cli import as_caller
from tcdflow.cli.streams import guard
from tcdflow.warm import place, wire
guard()
server = serve.Server(place.listen("a.sock"), Path("a.sock"), 30)
here, there = socket.socketpair()
files = [os.dup(0), os.dup(1), os.dup(2), os.open("/", os.O_RDONLY)]
call = serve.Call(here, as_caller.Order(["tcdflow"], 0o22, dict(os.environ), files))
in_turn.dispatch = lambda argv: 0
flushed = as_caller.flushed

def late(status):
    call.signal(signal.SIGTERM)
    time.sleep(0.1)
    return flushed(status)

as_caller.flushed = late
report = Path("report").open("w")
server._calls.put(call)
server._taken.acquire()
print(server._next(engine), wire.Incoming(there).next(), file=report)
report.close()
try:
    os.kill(os.getpid(), signal.SIGTERM)  # while it waits for the next command
    time.sleep(5)
except KeyboardInterrupt:
    os._exit(7)
"""


def test_a_signal_for_a_command_that_is_done_ends_nothing(tmp_path: Path) -> None:
    """A closed terminal, or ``timeout``, while the output of the command is written."""
    command = [sys.executable, "-c", PREAMBLE + LATE]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=60, check=False)
    assert (tmp_path / "report").read_text("utf-8") == "True {'status': 0}\n"
    assert done.returncode == 7, "the second one was meant for it"


def test_it_listens_again_after_a_moment_without_descriptors(server: serve.Server) -> None:
    threading.Thread(target=server._accept, daemon=True).start()
    running = threading.active_count()
    assert start.ask("a.sock", "status") is not None
    until(lambda: threading.active_count() <= running)  # nobody gives a descriptor back meanwhile
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as caller:
        resource.setrlimit(resource.RLIMIT_NOFILE, (caller.fileno() + 1, limits[1]))
        try:
            caller.connect("a.sock")
            threading.Event().wait(0.2)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert start.ask("a.sock", "status") is not None
