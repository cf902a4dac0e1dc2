"""Single runs that are killed or interrupted at random moments; ``-m slow`` does it far more often."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tcdflow.errors import RecordError
from tcdflow.record import document
from tests.faults.conftest import partial, records
from tests.helpers import until
from tests.sweep.fake import pictures
from tests.zygote.client import Zygote

RUN = ("sampling.steps=2", "sampling.num_images=3", "hydra.run.dir=run")
DRAWN = ("sampling.steps=1", "sampling.num_images=8", "output.grid=true", "hydra.run.dir=run")
SLOW = "stopping once the work at hand is done"  # after two seconds, on a machine that has much else to do
BEFORE_LISTENING = {-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT}


class Shooter:
    """Starts runs and sends each a signal at a random moment of its life.

    Args:
        zygote: starts them.
        at: where.
        argv: of the run.
        drawn: with the engine that has no model.
        seed: of chance.
    """

    def __init__(self, zygote: Zygote, at: Path, argv: tuple[str, ...], drawn: bool, seed: int | None) -> None:
        self._zygote, self._at, self._argv, self._drawn = zygote, at, argv, drawn
        self._chance = random.Random(seed)
        zygote.run(*argv, cwd=at, drawn=drawn)  # whose first run is slower
        start = time.perf_counter()
        assert zygote.run(*argv, cwd=at, drawn=drawn).status == 0
        self._takes = time.perf_counter() - start
        self._shots = 0
        self.expected = pictures(at)

    def shoot(self, number: signal.Signals, *, again: float | None = None) -> str | None:
        """Send the signal, once or twice, and return the status of the run's record if it was hit.

        Every other time it comes at any moment of a run, else when the record says that it is under way.
        """
        started = self._zygote.start(*self._argv, cwd=self._at, drawn=self._drawn)
        self._shots += 1
        if self._shots % 2:
            until(lambda: started.ended() or self._under_way(), 0.002)
        else:
            time.sleep(self._chance.uniform(0, self._takes))
        hit = started.send(number)
        if again is not None:
            time.sleep(again)
            started.send(number)
        said = started.end()
        (record,) = records(self._at)  # that of the former run, if it was hit before its own
        made = pictures(self._at)
        assert made.items() <= self.expected.items(), "each image is whole"
        if said.status == 0:
            assert record.status == "done" and made == self.expected
        elif number != signal.SIGKILL and said.status not in BEFORE_LISTENING:
            assert said.status == 130
            if again is None:  # of a run that is done its last line may stand before it
                lines = [line for line in said.err.splitlines() if line and SLOW not in line]
                assert lines[-1] == "tcdflow: interrupted" and len(lines) <= 1 + (record.status == "done")
            assert record.status in ("interrupted", "done") or again is not None
            assert partial(self._at) == []
        if record.status == "interrupted":
            assert record.error is not None
        return record.status if hit and said.status else None

    def shoot_until(self, number: signal.Signals, wanted: set[str], *, least: int) -> None:
        """Shoot so many times at least, and on until some run is hit and its record has a wanted status."""
        seen = {self.shoot(number) for _ in range(least)}
        until(lambda: bool(seen & wanted) or self.shoot(number) in wanted)

    def _under_way(self) -> bool:
        try:
            return document.read(self._at / "run").status == "running"
        except RecordError:  # that of the former run has gone, and its own is not there yet
            return False

    def next_one_works(self) -> None:
        assert self._zygote.run(*self._argv, cwd=self._at, drawn=self._drawn).status == 0
        assert [record.status for record in records(self._at)] == ["done"]
        assert pictures(self._at) == self.expected
        assert partial(self._at) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_while_it_writes(number: signal.Signals, zygote: Zygote, at: Path) -> None:
    shooter = Shooter(zygote, at, DRAWN, True, 7)
    shooter.shoot_until(number, {"running", "interrupted"}, least=6)
    shooter.next_one_works()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_while_the_model_works(number: signal.Signals, zygote: Zygote, at: Path) -> None:
    shooter = Shooter(zygote, at, RUN, False, 3)
    shooter.shoot_until(number, {"running" if number == signal.SIGKILL else "interrupted"}, least=4)
    shooter.next_one_works()


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.6])
def test_twice(pause: float, zygote: Zygote, at: Path) -> None:
    """Two at once are one wish, which is recorded; the second ends it at once, whatever it does."""
    shooter = Shooter(zygote, at, DRAWN, True, 5)
    for _ in range(4):
        shooter.shoot(signal.SIGINT, again=pause)
    shooter.next_one_works()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("drawn", [True, False])
def test_for_long(number: signal.Signals, drawn: bool, zygote: Zygote, at: Path) -> None:
    shooter = Shooter(zygote, at, DRAWN if drawn else RUN, drawn, None)
    for _ in range(150):
        shooter.shoot(number)
        if random.random() < 0.1:
            shooter.next_one_works()
    shooter.next_one_works()
