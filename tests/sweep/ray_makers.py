"""Workers for Ray whose engines draw without torch, and misbehave; they live in a module that workers can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tcdflow.errors import NoRoomError
from tcdflow.files.artifact import Artifacts
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps.ray_worker import CellMaker
from tests.sweep.fake import FakeEngine, Generated

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine

POISON = 1013
"""The seed whose cell kills its worker."""
WRONG = 7
"""The seed whose cell fails."""
FULL = 1019
"""The seed whose cell meets a full disk."""


JOURNAL = "TCDFLOW_TEST_JOURNAL"
"""The variable that names a file in which workers note what they begin (:mod:`tests.faults.kills`)."""


class SlowEngine(FakeEngine):
    """Takes two steps of some milliseconds, and notes them where somebody wants to know."""

    def run_together(
        self, specs: Sequence[RunSpec], artifacts: Artifacts, on_step: Callable[[int, int, int], None] | None
    ) -> list[Generated]:
        _note("begin " + " ".join(f"{seed}@{s.loras['tcd'].weight}" for s in specs for seed in s.sampling.seeds))
        for step in range(2):
            time.sleep(0.02)
            _note("call")
            if on_step is not None:
                on_step(0, step + 1, 2)
        if any(spec.sampling.seed == POISON for spec in specs):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run_together(specs, artifacts, on_step)


def _note(text: str) -> None:
    if path := os.environ.get(JOURNAL):
        with Path(path).open("ab", buffering=0) as file:
            file.write(f"{os.getpid()} {text}\n".encode())


def _wrong(spec: RunSpec) -> BaseException | None:
    wrong = {WRONG: ValueError("no"), FULL: NoRoomError("no space left")}
    return wrong.get(spec.sampling.seeds[0])


class FakeMaker(CellMaker):
    def engine(self) -> Engine:
        return cast("Engine", SlowEngine(_wrong))


class Stillborn(FakeMaker):
    def __init__(self, directory: str, sha256: str, threads: int, allow_pickle: bool, fetch: bool) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Unready(FakeMaker):
    """Finds something that is wrong as it begins."""

    def ready(self) -> str | None:
        raise ValueError("the log is a folder")


class Elsewhere(FakeMaker):
    """Looks for the plan where it is not, as on a machine that does not share the directory."""

    def __init__(self, directory: str, sha256: str, threads: int, allow_pickle: bool, fetch: bool) -> None:
        super().__init__(str(Path(directory) / "elsewhere"), sha256, threads, allow_pickle, fetch)


def main() -> None:
    """Be ``tcdflow``, with workers that draw without torch."""
    from tcdflow.cli import main as tcdflow
    from tcdflow.sweeps import ray_runner

    vars(ray_runner)["CellMaker"] = FakeMaker
    tcdflow()


if __name__ == "__main__":
    main()
