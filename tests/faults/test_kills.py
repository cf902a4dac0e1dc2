"""Runs and sweeps killed at any moment: nothing is half written, nothing is made twice, and the end is the same.

The moments are random and seeded. What is computed the processes themselves count: see :mod:`tests.faults.kills`.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tcdflow.record.document import Record
from tcdflow.sweeps import plan as plans
from tests.faults.conftest import partial, records
from tests.faults.kills import Begun, Tally, journal, made_twice, needed, tally
from tests.helpers import left_behind, until
from tests.sweep.fake import pictures
from tests.zygote.client import Zygote

RUN = ("sampling.steps=2", "sampling.num_images=3", "output.grid=true")
SWEEP = ("-m", "sampling.steps=2", "sampling.seed=range(6)", "loras.tcd.weight=0.5,1")
BATCHES = ("-m", "sampling.steps=2", "sampling.seed=range(10)", "runtime.batch_size=4")
DRAWN = ("-m", "sampling.steps=1", "sampling.seed=range(40)", "sampling.num_images=2", "output.grid=true")


class Killer:
    """Starts a command, and what goes on with it, and kills them.

    Args:
        zygote: forks them.
        at: working directory.
        argv: the command, without its directory.
        drawn: whether images are drawn at once, which leaves the writing alone to be killed.
        counted: the kills.
    """

    def __init__(self, zygote: Zygote, at: Path, argv: tuple[str, ...], drawn: bool, counted: Tally) -> None:
        self._zygote, self._at, self._drawn, self._counted = zygote, at, drawn, counted
        self._sweeping = argv[0] == "-m"
        key = "hydra.sweep.dir" if self._sweeping else "hydra.run.dir"
        self._here, self._journal = at / "here", at / "journal"
        self._begin = (*argv, f"{key}=here")
        assert self._run(*argv, f"{key}=reference") == 0
        self._needed = needed(journal(self._journal))
        self._expected, self._names = pictures(at / "reference"), left_behind(at / "reference")
        self._anew()
        start = time.perf_counter()
        assert self._run(*self._begin) == 0
        self._takes = time.perf_counter() - start
        self._through()
        self._anew()

    def all(self) -> None:
        """Kill as often as wanted, then let it end."""
        while self._counted.left > 0:
            self._kill()
        assert self._run(*self._command()) == 0
        self._through()

    def _anew(self) -> None:
        shutil.rmtree(self._here, ignore_errors=True)
        self._journal.unlink(missing_ok=True)
        self._torn: list[Begun] = []

    def _kill(self) -> None:
        done = self._done()
        before = len(journal(self._journal))
        started = self._zygote.start(*self._command(), cwd=self._at, drawn=self._drawn, **self._twist())
        self._wait(before, started.ended)
        started.send(signal.SIGKILL)
        status = started.end().status
        begun = journal(self._journal)[before:]
        assert not [one for one in begun if one.names <= done], "what is done is not made again"
        if status == 0:  # through before the kill, which does not count
            self._through()
            self._anew()
            self._takes *= 0.9  # a busy machine does not get as far in the same time as one at rest
            return
        self._takes *= 1.03
        assert status == -signal.SIGKILL
        assert done <= self._done(), "nothing that is done is lost"
        for one in begun[:-1]:
            assert one.names <= self._done() and one.calls == self._needed[one.names]
        self._counted.hit[self._phase(begun)] += 1
        if not self._sweeping and self._done():  # a sweep goes on, a run begins anew
            self._through()
            self._anew()

    def _wait(self, before: int, ended: object) -> None:
        """Wait for some image or other to be begun, and a while; or for any moment of the whole, its start too."""
        assert callable(ended)
        chance = self._counted.chance
        share = self._takes / (len(self._needed) + 1)
        if chance.random() < 0.25:
            time.sleep(chance.uniform(0, min(self._takes, 1)))
            return
        wanted = before + chance.randint(1, 3 if self._sweeping else 1)
        until(lambda: ended() or (self._journal.exists() and len(journal(self._journal)) >= wanted), 0.001)
        time.sleep(chance.uniform(0, 1.2 * share))

    def _phase(self, begun: list[Begun]) -> str:
        if not begun:
            started = (self._here / ("cells" if self._sweeping else "run.json")).exists()
            return "while it loads" if started else "before anything is written"
        last = begun[-1]
        if last.names <= self._done():
            return "after an image"
        self._torn.append(last)
        return "while it denoises" if last.calls < self._needed[last.names] else "while it decodes and writes"

    def _through(self) -> None:
        """Check the end: the files of one that was never killed, and each of them made by one whole attempt."""
        assert pictures(self._here) == self._expected
        assert left_behind(self._here) == self._names
        assert partial(self._here) == []
        assert self._done() == frozenset().union(*self._needed)
        begun = journal(self._journal)
        assert made_twice(begun) == []
        whole = Counter(one.names for one in begun) - Counter(one.names for one in self._torn)
        assert whole == Counter(self._needed.keys())
        calls = sum(one.calls for one in begun) - sum(one.calls for one in self._torn)
        assert calls == sum(self._needed.values())

    def _done(self) -> frozenset[str]:
        """Check that all that is there is whole, and return which images are done."""
        if (self._here / "plan.json").exists():
            plans.read(self._here)
        found = records(self._here)
        assert {record.status for record in found} <= {"running", "done"}
        return frozenset(name for record in found if record.status == "done" for name in named(record))

    def _command(self) -> tuple[str, ...]:
        return ("resume", "here") if self._sweeping and (self._here / "plan.json").exists() else self._begin

    def _twist(self) -> dict[str, str]:
        return {"before": "journal", "twist": str(self._journal)}

    def _run(self, *argv: str) -> int:
        return self._zygote.run(*argv, cwd=self._at, drawn=self._drawn, **self._twist()).status


def named(record: Record) -> list[str]:
    """The images of a record, as the journal names them."""
    weight = record.spec["loras"]["tcd"]["weight"]
    return [f"{output.seed}@{weight}" for output in record.outputs]


KINDS = [
    ("run", RUN, False, 0, 25),
    ("run that only writes", RUN, True, 0, 25),
    ("sweep", SWEEP, False, 3, 40),
    ("sweep in batches", BATCHES, False, 0, 30),
    ("sweep that only writes", DRAWN, True, 0, 40),
]


@pytest.mark.parametrize(("what", "argv", "drawn", "few", "many"), [kind for kind in KINDS if kind[3]])
def test_some(
    what: str, argv: tuple[str, ...], drawn: bool, few: int, many: int, zygote: Zygote, at: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    with tally(what, few, many, request) as counted:
        Killer(zygote, at, argv, drawn, counted).all()


@pytest.mark.slow
@pytest.mark.parametrize(("what", "argv", "drawn", "few", "many"), KINDS)
def test_many(
    what: str, argv: tuple[str, ...], drawn: bool, few: int, many: int, zygote: Zygote, at: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    with tally(what, few, many, request) as counted:
        Killer(zygote, at, argv, drawn, counted).all()


def test_the_journal_tells_what_is_made_twice(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("1 begin a b\n1 call\n2 begin c\n2 call\n1 call\n1 begin d\n3 begin c\n")
    assert [one.calls for one in journal(path)] == [2, 1, 0, 0]
    assert made_twice(journal(path)) == [], "the second process may have been killed"
    with path.open("a") as file:
        file.write("2 begin e\n3 begin c\n1 begin a b\n")
    assert made_twice(journal(path)) == [{"c"}, {"a", "b"}]
