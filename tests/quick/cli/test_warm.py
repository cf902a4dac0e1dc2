"""Warm processes: whom they serve, where they are met, when they end. What they run is in tests/functional."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tcdflow.cli import serve
from tcdflow.cli.command import dispatch
from tcdflow.cli.signals import INTERRUPTED
from tcdflow.warm import identity, place
from tests.helpers import environment


def test_a_directory_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    place.check(str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(place.PlaceError, match="of yours"):
        place.check(str(tmp_path))


@pytest.mark.parametrize(("idle", "short"), [(0.0, False), (1.0, True)])
def test_it_ends_when_idle_and_when_memory_is_short(
    idle: float, short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "_LOOK", 0.01)
    monkeypatch.setattr(serve, "is_short", lambda: short)
    serve.Server(place.listen("a.sock"), Path("a.sock"), idle).run()
    assert not Path("a.sock").exists()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["warm"], "required: start|status|stop"),
        (["warm", "strat"], "invalid choice: 'strat'"),
        (["warm", "stop", "--idle", "3"], "--idle = 3.0: is a number of minutes above 0, for warm start"),
        (["warm", "start", "--idle", "0"], "--idle = 0.0"),
    ],
)
def test_a_mistake_is_answered_in_one_line(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(argv) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_signal_before_a_command_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the process still imports, say: it ends the command alone, which does not begin."""
    before = signal.getsignal(signal.SIGINT)
    settled: list[bool] = []
    nobody: Any = None
    call = serve.Call(nobody, nobody)
    call.signal(signal.SIGTERM)
    monkeypatch.setattr(call, "settle", lambda: settled.append(True))
    engine: Any = None
    try:
        assert serve.run(["prompt=a fox"], call, engine) == INTERRUPTED
        assert settled and signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_variable_that_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCDFLOW_WARM", "yes")
    assert dispatch(["ls"]) == 2
    assert "TCDFLOW_WARM = 'yes': is 1 (start a warm process" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("OMP_NUM_THREADS", True),
        ("HF_HOME", True),
        ("HF_HUB_DISABLE_IMPLICIT_TOKEN", True),
        ("CUDA_VISIBLE_DEVICES", True),
        ("GOMP_SPINCOUNT", True),
        ("LANG", True),
        ("NOBODY_KNOWS_IT", True),
        ("HF_TOKEN", False),
        ("PWD", False),
        ("TERM_PROGRAM", False),
        ("TCDFLOW_CACHE", False),
    ],
)
def test_variables_that_are_compared(name: str, compared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    one = identity.identity()
    monkeypatch.setenv(name, "another value")
    other = identity.identity()
    assert identity.differences(json.loads(json.dumps(one)), other) == ([f"variable {name}"] if compared else [])
    assert (identity.digest(one) != identity.digest(other)) is compared


def test_an_installed_package_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    one = identity.identity()
    os.utime(packages, ns=(0, 1))
    assert identity.differences(one, identity.identity()) == [f"packages {packages}"]


def test_it_begins_without_what_takes_long_to_import() -> None:
    code = "import sys, tcdflow.cli.start; print({'typing', 'pathlib', 'logging', 'dataclasses'} & sys.modules.keys())"
    said = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert said.stdout == "set()\n", said.stderr
