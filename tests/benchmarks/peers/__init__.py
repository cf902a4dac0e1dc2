"""tcdflow and its peers in one run: one image, 64 cells and a second command, each in an environment of its own.

``python -m tests.benchmarks peers [--venvs DIR]`` installs what it compares from package registries, by name, with
this repository's constraints, times all of it in alternation, and prints the versions and a table in Markdown. What
cannot be installed, or fails, says why in its row. Once all is installed it takes a quarter of an hour at most on a
quiet machine; Ctrl-C or SIGTERM ends it with a table of what was measured by then.

On a busy machine what leaves libgomp as it is takes up to 20 times as long, as its threads spin while they wait for
each other: OMP_NUM_THREADS=1, which all are given, is for trying it there.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.peers.environments import Environments
from tests.benchmarks.peers.measured import KINDS, Measured, say
from tests.benchmarks.peers.subjects import NOT_RUN, subjects
from tests.benchmarks.peers.work import A_SEED, CELLS

ROUNDS = 3
MINUTES = 14.0


def run(venvs: Path | None = None, rounds: int = ROUNDS, cells: int = CELLS, minutes: float = MINUTES) -> str:
    """Install, measure, and return what ``docs/speed.md`` says of it.

    Args:
        venvs: where the environments are made, or lie from an earlier run; a temporary folder otherwise.
        rounds: how often each is measured, where the time allows it.
        cells: of the sweep; a multiple of 16.
        minutes: after which nothing is measured a second time, not counting the installation.

    Raises:
        ValueError: if there is no such sweep.
    """
    if cells < 1 or cells % A_SEED:
        raise ValueError(f"a sweep has a multiple of {A_SEED} cells, not {cells}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peers", ignore_cleanup_errors=True)))
        environments = Environments(venvs or folder / "venvs", say)
        measured = Measured(subjects(environments, folder, stack), folder / "out", cells, 60 * minutes)
        try:
            for kind in KINDS:
                for number in range(rounds):
                    measured.take(kind, number)
        except KeyboardInterrupt:
            say("interrupted: the table has what was measured by now")
        unrun = [f"| {name} | not run: {why} | | | | |" for name, why in NOT_RUN.items()]
        return "\n".join([*measured.table(), *unrun, "", *environments.versions()])
