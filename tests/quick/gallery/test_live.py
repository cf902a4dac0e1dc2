"""The page of a sweep as it runs: as often as it may, whole whenever it is read, and true when the sweep has ended."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tcdflow.config.plugins import drive
from tcdflow.errors import NoRoomError
from tcdflow.gallery import live, thumbnails
from tcdflow.gallery import write as writing
from tcdflow.gallery.live import LivePage
from tcdflow.gallery.write import INDEX, Writer, gallery
from tcdflow.multirun.launcher import Process
from tcdflow.multirun.planned import Finished, PlannedSweep
from tcdflow.multirun.watcher import Watcher
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps.outcome import Outcome
from tests.quick.gallery.conftest import shown
from tests.standins.gallery import page_data
from tests.sweep.fake import Sweep

AXES = ("prompt=a fox,a panda", "sampling.eta=0,0.5,1")


class Hearing(Watcher):
    """Keeps what is told, and looks at the page after each cell."""

    def __init__(self, look: Callable[[], None] = lambda: None) -> None:
        self.warned: list[str] = []
        self._look = look

    def warn(self, texts: object) -> None:
        assert isinstance(texts, Sequence)
        self.warned += texts

    def cell(self, outcome: Outcome) -> None:
        self._look()


def run(sweep: Sweep, *overrides: str, watcher: Watcher | None = None) -> Finished:
    given = (*overrides, f"hydra.sweep.dir={sweep.directory}")
    prepared = PlannedSweep.prepare(sweep.composer, given, drive(sweep.composer, given))
    return prepared.run(Process(sweep.engine), watcher or Hearing())


def test_a_sweep_ends_with_its_page(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LEAST", 0.0)
    monkeypatch.setattr(live, "_SHARE", 1)
    seen: list[tuple[bool, int, int]] = []

    def look() -> None:
        data = page_data(sweep.directory / INDEX)
        done = [cell for cell in data["cells"] if cell["status"] == "done"]
        assert all(cell["file"] and cell["thumb"] for cell in done)
        seen.append((data["running"], len(done), len(data["cells"])))

    done = run(sweep, *AXES, watcher=Hearing(look))
    assert done.page == sweep.directory / INDEX
    assert seen[0] == (True, 0, 6) and seen[-1][0] is True
    assert [number for _, number, _ in seen] == sorted(number for _, number, _ in seen)
    assert seen[-1][1] >= 1
    data = page_data(done.page)
    assert (data["running"], {cell["status"] for cell in data["cells"]}) == (False, {"done"})
    assert all((cell["thumb"] or "").startswith(".thumbs/") for cell in data["cells"])
    later = shown(sweep.directory)
    assert {**later, "written": "", "root": ""} == {**data, "written": "", "root": ""}
    assert len(list(csv.DictReader((sweep.directory / "images.csv").open(encoding="utf-8")))) == 6


def test_one_without(sweep: Sweep) -> None:
    done = run(sweep, *AXES, "output.gallery=false")
    assert done.page is None
    assert {path.name for path in sweep.directory.iterdir()} >= {"images.csv", "images.jsonl", "results.csv"}
    assert not any((sweep.directory / name).exists() for name in (INDEX, ".thumbs"))


def test_failed_and_left_cells_and_an_interrupt(sweep: Sweep) -> None:
    def fail(spec: RunSpec) -> BaseException | None:
        if len(sweep.engine.runs) == 2:
            return RuntimeError("broken </script>")
        return KeyboardInterrupt() if len(sweep.engine.runs) == 4 else None

    sweep.engine.fail = fail
    with pytest.raises(KeyboardInterrupt):
        run(sweep, *AXES)
    data = page_data(sweep.directory / INDEX)
    assert [cell["status"] for cell in data["cells"]] == ["done", "failed", "done", "missing", "missing", "missing"]
    assert "broken </script>" in (data["cells"][1]["reason"] or "")
    assert data["running"] is False
    assert all(cell["file"] == cell["thumb"] for cell in data["cells"])  # nobody waits for thumbnails after Ctrl-C
    sweep.engine.fail = lambda spec: None
    run(sweep, *AXES)
    data = page_data(sweep.directory / INDEX)
    assert [cell["status"] for cell in data["cells"]] == ["done", "failed", "done", "done", "done", "done"]


def test_the_page_of_somebody_else_is_told_and_the_sweep_goes_on(sweep: Sweep) -> None:
    sweep.directory.mkdir()
    (sweep.directory / INDEX).write_text("mine")
    watcher = Hearing()
    done = run(sweep, *AXES, watcher=watcher)
    assert done.page is None and {outcome.status for outcome in done.outcomes} == {"done"}
    assert len(watcher.warned) == 1 and watcher.warned[0].startswith("no page: ")
    assert (sweep.directory / INDEX).read_text() == "mine"


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_it_takes_a_hundredth_of_the_time(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = sweep.run(*AXES, "sampling.seed=range(5)")
    clock = Clock()
    spent: list[float] = []
    whole = Writer.write

    def slow(self: Writer, *args: object, seconds: float | None = None, **more: object) -> object:
        result = whole(self, *args, seconds=seconds, **more)  # type: ignore[arg-type]
        spent.append(0.25 + (seconds or 0.0))  # a page's own time, and all that thumbnails may take
        clock.now += spent[-1]
        return result

    monkeypatch.setattr(live, "time", clock)
    monkeypatch.setattr(Writer, "write", slow)
    page = LivePage(sweep.plan_there(), sweep.directory)
    for outcome in outcomes:
        page.take(Outcome(outcome.cell, "left"))
    page.advance()
    begun = clock.now
    for outcome in outcomes * 10:
        clock.now += 2.0
        page.take(outcome)
        page.advance()
    assert len(spent) > 5
    assert sum(spent[1:]) <= 0.02 * (clock.now - begun)


def test_thumbnails_are_made_once(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.run(*AXES)
    first = shown(sweep.directory)

    def never(image: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(thumbnails, "_encoded", never)
    second = shown(sweep.directory)
    assert [cell["thumb"] for cell in second["cells"]] == [cell["thumb"] for cell in first["cells"]]


def test_killed_while_it_writes(sweep: Sweep) -> None:
    """The page is the old one or the new one, and so is each thumbnail; the next one sweeps nothing away."""
    sweep.run(*AXES)
    gallery([sweep.directory])
    for wait in (0.0, 0.003, 0.01, 0.03, 0.06):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    for path in (sweep.directory / ".thumbs").iterdir():
                        path.unlink()
                    gallery([sweep.directory])
            finally:
                os._exit(1)
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(page_data(sweep.directory / INDEX)["cells"]) == 6
    assert {cell["status"] for cell in shown(sweep.directory)["cells"]} == {"done"}


@pytest.mark.parametrize("error", [NoRoomError("no space left"), KeyError("no space left")])
def test_what_goes_wrong_with_a_page_stops_no_sweep(
    error: Exception, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(writing, "write_text", full)
    watcher = Hearing()
    done = run(sweep, *AXES, watcher=watcher)
    assert done.page is None and {outcome.status for outcome in done.outcomes} == {"done"}
    assert len(watcher.warned) == 1 and "no space left" in watcher.warned[0]


def _touch(name: str) -> Callable[[Sweep], None]:
    def touch(sweep: Sweep) -> None:
        (sweep.directory / name).write_bytes((sweep.directory / name).read_bytes())

    return touch


def _first_record(sweep: Sweep) -> str:
    return f"cells/{sweep.plan_there().cells[0].name}/run.json"


@pytest.mark.parametrize(
    "change",
    [
        lambda sweep: (sweep.directory / INDEX).unlink(),
        lambda sweep: (sweep.directory / "results.csv").unlink(),
        lambda sweep: (sweep.directory / "ratings.json").write_text("{}"),
        lambda sweep: shutil.rmtree(sweep.directory / thumbnails.FOLDER),
        lambda sweep: next((sweep.directory / thumbnails.FOLDER).iterdir()).unlink(),
        lambda sweep: _touch(_first_record(sweep))(sweep),
        _touch("plan.json"),
        _touch("results.jsonl"),
        _touch("images.csv"),
        lambda sweep: (sweep.directory / _first_record(sweep)).with_name("measures.json").write_text("{}"),
    ],
)
def test_what_was_touched_has_the_page_written_again(sweep: Sweep, change: Callable[[Sweep], None]) -> None:
    page = run(sweep, *AXES).page
    assert page is not None
    time.sleep(0.02)  # clocks of file systems tick
    then = page.stat().st_mtime_ns
    change(sweep)
    assert run(sweep, *AXES).page == page and page.stat().st_mtime_ns > then
    assert {(sweep.directory / name).exists() for name in ("results.csv", thumbnails.FOLDER)} == {True}


def test_a_sweep_that_nobody_touched_keeps_its_page_and_tables(sweep: Sweep) -> None:
    first = run(sweep, *AXES)
    names = (INDEX, "results.csv", "images.jsonl")
    then = [(sweep.directory / name).stat().st_mtime_ns for name in names]
    second = run(sweep, *AXES)
    assert [(sweep.directory / name).stat().st_mtime_ns for name in names] == then
    assert second.page == first.page and [outcome.status for outcome in second.outcomes] == ["skipped"] * 6
    assert not (sweep.directory / ".running").exists()
