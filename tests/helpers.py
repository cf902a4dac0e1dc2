"""Small tools of several tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tcdflow.config.compose import Composer
from tcdflow.config.composition import Composition
from tcdflow.config.run_output import RunOutput
from tcdflow.engine.result import Result
from tcdflow.errors import ConfigError, Problem
from tcdflow.request.prepare import prepare
from tcdflow.request.request import Prepared, Request
from tcdflow.request.run import run_single
from tcdflow.spec.free_text import free_text, place_of
from tcdflow.spec.model import RunSpec
from tcdflow.spec.registry import Registry

Write = Callable[[Mapping[str, str | bytes]], Path]


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    status: int
    out: str
    err: str

    def line(self) -> str:
        """The one line that it said on standard error."""
        (line,) = self.err.splitlines()
        return line


GLOBAL = "# @package _global_\n"


@dataclass(frozen=True)
class Writer:
    """Writes files below a directory."""

    root: Path

    def __call__(self, files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.root


INTERRUPTING = """
import signal, sys
when = sys.argv.pop()
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == when:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""
"""Code of a process that gets a Ctrl-C as it imports the module that its last argument names."""


def examples(share: float) -> int:
    """How many examples a property gets that is dearer, or wants more of them, than those of the profile."""
    return max(1, round(share * settings().max_examples))


def problems(composer: Composer, *overrides: str) -> tuple[Problem, ...]:
    """Compose what must be refused, and return what is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        composer.compose(overrides)
    return caught.value.problems


def compose(composer: Composer, *overrides: str) -> Composition:
    return composer.compose(overrides)


@contextmanager
def part(registry: Registry[Any], name: str, added: Any) -> Iterator[None]:
    """Have a part for a while, in the unions of RunSpec too."""
    with registry.including(name, added):
        _rebuild()
        yield
    _rebuild()


def _rebuild() -> None:
    RunSpec.model_rebuild(force=True)
    free_text.cache_clear()
    place_of.cache_clear()


def prepared(composition: Composition) -> Prepared:
    """Find the files of a composed run."""
    return prepare(Request.composed(composition))


def run_composed(composition: Composition, engine: Any, on_step: Any = None, *, logs: bool = False) -> Result:
    """Execute a composed run in the directory that it names."""
    return run_single(prepared(composition), RunOutput.of(composition.config), engine, on_step, logs=logs)


def cli(*args: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``tcdflow`` as a process in ``cwd``."""
    return python("-m", "tcdflow", *args, cwd=cwd, env=env)


def python(*args: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run this Python in ``cwd``, with the tcdflow that the tests see."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that tests start."""
    import tcdflow

    path = [str(Path(tcdflow.__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    python_path = os.pathsep.join(filter(None, path))
    return {**os.environ, "PYTHONPATH": python_path, "PYTHONIOENCODING": "utf-8", **(extra or {})}


def until(there: Callable[[], bool], pause: float = 0.01) -> None:
    """Wait for something to be so: however busy the machine is, within two minutes."""
    end = time.monotonic() + 120
    while not there():
        if time.monotonic() > end:
            raise TimeoutError("it takes too long")
        time.sleep(pause)


def left_behind(directory: Path) -> Sequence[str]:
    """Names of what lies in a directory, relative to it."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))
