"""An engine that draws at once what a spec and its files say, and a sweep that runs on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.files.artifact import Artifacts
from tcdflow.record.sample import Sample
from tcdflow.spec.batch import Batch, batches_of
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import directory as sweeps
from tcdflow.sweeps import planner, results
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.runner import Runner, pending

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine


class Generated(NamedTuple):
    samples: list[Sample]
    inputs: dict[str, Image.Image]
    execution: dict[str, Any]
    environment: dict[str, Any]
    batch: Batch
    warnings: tuple[str, ...] = ()


@dataclass
class FakeEngine:
    """Draws noise that depends on the spec alone.

    Attributes:
        fail: asked before each run; what it returns is raised.
        flaw: asked of each seed; what it returns is wrong with the image.
        runs: what was made.
        closed: times that everything was let go.
    """

    fail: Callable[[RunSpec], BaseException | None] = lambda spec: None
    invalid: Callable[[int], str | None] = lambda seed: None
    runs: list[RunSpec] = field(default_factory=list)
    closed: int = 0

    def __call__(self) -> Engine:
        return cast("Engine", self)

    def run_together(
        self, specs: Sequence[RunSpec], artifacts: Artifacts, on_step: Callable[[int, int, int], None] | None
    ) -> list[Generated]:
        return [self._run(spec, batch) for spec, batch in zip(specs, batches_of(specs), strict=True)]

    def _run(self, spec: RunSpec, batch: Batch) -> Generated:
        self.runs.append(spec)
        if error := self.fail(spec):
            raise error
        samples = [Sample((draw(spec, seed),), seed, invalid=self.invalid(seed)) for seed in spec.sampling.seeds]
        execution = {
            "unet_calls": spec.effective_steps * len(samples),
            "batch": batch.model_dump(mode="json"),
            "seconds": {"denoise": 0.25, "decode": 0.125},
        }
        return Generated(samples, {}, execution, {"device": "cpu"}, batch)

    def close(self) -> None:
        self.closed += 1


def draw(spec: RunSpec, seed: int) -> Image.Image:
    text = f"{spec.prompt}{spec.sampling.steps}{spec.sampling.eta}{seed}{spec.loras}"
    size = spec.width * spec.height * 3
    noise = hashlib.shake_128(text.encode()).digest(size)
    return Image.frombytes("RGB", (spec.width, spec.height), noise)


@dataclass
class Sweep:
    """A sweep in a directory."""

    directory: Path
    engine: FakeEngine
    composer: Composer = field(default_factory=Composer)

    def plan(self, *overrides: str) -> Plan:
        return planner.make(self.composer, overrides).plan

    def run(self, *overrides: str, retry_failed: bool = False) -> list[Outcome]:
        """Run a sweep as the command line does."""
        plan = self.plan(*overrides)
        with sweeps.alone(self.directory):
            return self._go(sweeps.freeze(self.directory, plan), retry_failed)

    def plan_there(self) -> Plan:
        """The plan that is frozen in the directory."""
        from tcdflow.sweeps import plan as plans

        return plans.read(self.directory)

    def resume(self, *, retry_failed: bool = False) -> list[Outcome]:
        from tcdflow.sweeps import plan as plans

        with sweeps.alone(self.directory):
            return self._go(plans.read(self.directory), retry_failed)

    def _go(self, plan: Plan, retry_failed: bool) -> list[Outcome]:
        self.runner = Runner(plan, self.directory, self.engine)
        outcomes = whole(self.runner, self.directory, retry_failed=retry_failed)
        write_table(self.directory, plan, outcomes)
        return outcomes


def write_table(directory: Path, plan: Plan, outcomes: Iterable[Outcome]) -> None:
    """Write what became of all cells of a sweep down."""
    table = results.Table(plan, directory)
    for outcome in outcomes:
        table.take(outcome)
    table.write()


def whole(runner: Runner, directory: Path, *, retry_failed: bool = False) -> list[Outcome]:
    """Run what is left of a sweep and return what became of all its cells, in the plan's order."""
    before = [*pending(runner.plan, directory, retry_failed=retry_failed)]
    outcomes = {outcome.cell.name: outcome for outcome in before}
    outcomes |= {outcome.cell.name: outcome for outcome in runner.run(before)}
    return list(outcomes.values())


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def pictures(directory: Path) -> dict[str, str]:
    """The hash of each image of a sweep, by its path below it."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*.png"))
    }


def partial(directory: Path) -> list[str]:
    return [str(path) for path in directory.rglob(".partial-*")]
