"""A Ctrl-C that a library catches is raised again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcdflow.cli.signals import INTERRUPTED
from tcdflow.engine.interrupts import Delayed, Interrupts
from tests.helpers import INTERRUPTING, environment


@pytest.fixture(autouse=True)
def python_handles_it() -> Iterator[None]:
    """Also where the tests run in the background, whose processes ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def library() -> None:
    """As an import does that turns whatever goes wrong into an answer."""
    with contextlib.suppress(BaseException):
        press()


def test_at_once_where_nobody_catches_it() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        press()
        pytest.fail("went on")


def test_at_the_next_step_where_a_library_did() -> None:
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        step = interrupts.at_each(lambda image, done, of: steps.append(done))
        step(0, 1, 4)
        library()
        step(0, 2, 4)
    assert steps == [1]


def test_at_the_end_where_no_step_follows() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        library()


def test_in_place_of_the_error_that_it_became() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        library()
        raise ModuleNotFoundError("could not import what was interrupted")


def test_without_one_nothing_changes() -> None:
    with Interrupts() as interrupts:
        interrupts.at_each(None)(0, 1, 4)
    with pytest.raises(ValueError, match="other"), Interrupts():
        raise ValueError("other")


def test_one_that_is_put_off_comes_at_the_end() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Delayed():
        press()
        done.append("imported")
    assert done == ["imported"]


def test_one_that_is_put_off_is_heard_by_who_else_listens() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        with contextlib.suppress(BaseException), Delayed():
            press()
            assert not interrupts.came
            done.append("imported")
        interrupts.at_each(None)(0, 1, 4)
        done.append("made")
    assert done == ["imported"]


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_pythons_handler_is_put_back(how: str) -> None:
    with contextlib.suppress(ValueError), Interrupts():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        if how == "raises":
            raise ValueError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_anothers_handler_is_left_alone() -> None:
    def mine(*_: object) -> None: ...

    signal.signal(signal.SIGINT, mine)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is mine


def test_another_thread_has_none() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Interrupts():
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


BUSY = """
import signal, time
from tcdflow.cli import signals
signals._SILENCE, signals._ONE_WISH = 0.05, 0.0
signals.listen()
signal.signal(signal.SIGINT, lambda number, frame: None)  # as while torch computes: nobody answers
print("busy", flush=True)
time.sleep(600)
"""


def test_one_that_has_to_wait_is_told_and_a_second_ends_it(tmp_path: Path) -> None:
    command, env = [sys.executable, "-c", BUSY], environment()
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"busy\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == b"\n"
        assert b"stopping once the work at hand is done; a second Ctrl-C ends it" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert b"tcdflow: ended at once" in process.stderr.read()
    assert process.returncode == INTERRUPTED


ANSWERED = """
import signal
from tcdflow.cli import signals
signals.listen()
signals._ONE_WISH = 0.0
for _ in range(2000):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        assert signals.interrupted()
        signals.forget()
    assert not signals.interrupted()
"""

LOST = """
import signal, time
from tcdflow.cli import signals
class Deaf:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0)
signals.listen()
try:
    Deaf()
    time.sleep(600)
except KeyboardInterrupt:
    print("heard")
"""

EARLY = f"""{INTERRUPTING}
from tcdflow.cli import main
main()
"""


def python(code: str, *argv: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], env=environment(), capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_one_that_was_answered_is_forgotten_before_the_next() -> None:
    """At a prompt, say: the exception may be there before the thread that listens has its turn."""
    assert python(ANSWERED) == (0, "", "")


def test_one_that_cannot_be_raised_where_it_comes_is_raised_a_moment_later() -> None:
    assert python(LOST) == (0, "heard\n", "")


@pytest.mark.parametrize(
    "imported", ["tcdflow.cli.start", "tcdflow.warm.client", "tcdflow.cli.command", "tcdflow.errors", "pydantic"]
)
def test_while_the_command_line_is_imported_it_is_as_quiet_as_later(imported: str) -> None:
    assert python(EARLY, "check", imported) == (INTERRUPTED, "", "tcdflow: interrupted\n")
