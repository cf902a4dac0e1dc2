"""Reruns recorded runs and compares their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.errors import RecordError
from tcdflow.files.scratch import scratch
from tcdflow.files.unchanged import Unchanged
from tcdflow.record.document import Record
from tcdflow.request.execute import generate, keep
from tcdflow.request.request import Prepared
from tcdflow.request.run import opened, run_in
from tcdflow.rerun.source import Recorded
from tcdflow.rerun.suspects import suspects
from tcdflow.spec.batch import Batch, expand_batch

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.sampler import Step
    from tcdflow.rerun.compare import Verdict


@dataclass(frozen=True)
class Verified:
    """What came of making a run again.

    Attributes:
        name: of the run.
        verdicts: one for each image.
        suspects: what differs between then and now; of interest where an image does.
        failed: why it could not be made or compared, in one line.
    """

    name: str
    verdicts: tuple[Verdict, ...] = ()
    suspects: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def identical(self) -> bool:
        """Whether all of it is as it was."""
        return self.failed is None and all(verdict.identical for verdict in self.verdicts)


def comparable(recorded: Recorded) -> Recorded:
    """Return a recorded run once it is known to have made something.

    Raises:
        RecordError: if it has not.
    """
    if not recorded.outputs:
        status = f": its status is {recorded.record.status}" if recorded.record else ""
        raise RecordError(f"{recorded.path}: has no images to compare with{status}")
    return recorded


def judge(recorded: Recorded, directory: Path, now: Record) -> Verified:
    """Compare a run made again with the recorded one."""
    from tcdflow.rerun.compare import Verdict, compare

    pairs = zip(recorded.outputs, now.outputs, strict=False)
    verdicts = [compare(expected, directory / output.file, output) for expected, output in pairs]
    then, count = len(recorded.outputs), len(now.outputs)
    if then != count:
        verdicts.append(Verdict("images", False, f"{then} then, {count} now"))
    return Verified(str(recorded.path), tuple(verdicts), tuple(suspects(recorded, now)))


def verify(
    recorded: Recorded, prepared: Prepared, engine: Callable[[], Engine], on_step: Step | None = None
) -> Verified:
    """Make a run again in a temporary directory, and compare."""
    with scratch() as folder:
        result = run_in(folder / "run", prepared, engine, on_step)
        return judge(recorded, result.directory, result.record)


def verify_batch(runs: Sequence[tuple[Recorded, Batch, Prepared]], engine: Callable[[], Engine]) -> list[Verified]:
    """Make runs of one batch again, all at once, and compare each.

    Args:
        runs: each with its batch, by their positions in it; they read the same files.
        engine: gives the engine.
    """
    expanded, places = expand_batch([(prepared.spec, batch) for _, batch, prepared in runs])
    generated = generate(expanded, Unchanged.since_now(runs[0][2].files), engine)
    verified = []
    for place, (recorded, _, prepared) in zip(places, runs, strict=True):
        with scratch() as folder:
            where = folder / "run"
            with opened(where, prepared) as run:
                assert prepared.lock is not None, "a recorded run is pinned"
                run.lock(prepared.lock)
                keep(generated[place], run)
            verified.append(judge(recorded, where, run.record))
    return verified
