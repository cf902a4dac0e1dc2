"""Makes recorded runs again and compares their pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.engine.execute import execute, generate, keep
from tcdflow.errors import RecordError
from tcdflow.files.sizes import resolve_size
from tcdflow.files.unchanged import Unchanged
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.rerun.pin import Pinned
from tcdflow.rerun.source import Recorded
from tcdflow.rerun.suspects import suspects
from tcdflow.spec.batch import Batch, expand_batch
from tcdflow.spec.model import RunSpec

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
    then, made = len(recorded.outputs), len(now.outputs)
    if then != made:
        verdicts.append(Verdict("images", False, f"{then} then, {made} now"))
    return Verified(str(recorded.path), tuple(verdicts), tuple(suspects(recorded, now)))


def verify(
    recorded: Recorded,
    spec: RunSpec,
    pinned: Pinned,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    overrides: Sequence[str] = (),
) -> Verified:
    """Make a run again where nobody sees it, and compare."""
    with tempfile.TemporaryDirectory(prefix="tcdflow-verify-") as name:
        where = Path(name) / "run"
        sized = resolve_size(spec, pinned.artifacts)
        with RunDirectory.open(where, sized, overrides=overrides, derived_from=recorded.key) as run:
            execute(sized, pinned.artifacts, run, engine, on_step, pinned.lock, recorded.batch)
        return judge(recorded, where, run.record)


def verify_batch(
    runs: Sequence[tuple[Recorded, Batch]], pinned: Sequence[Pinned], engine: Callable[[], Engine]
) -> list[Verified]:
    """Make runs of one batch again, all at once, and compare each.

    Args:
        runs: by their positions in the batch.
        pinned: the files of each, which are the same.
        engine: gives the engine.
    """
    specs = [resolve_size(recorded.spec, files.artifacts) for (recorded, _), files in zip(runs, pinned, strict=True)]
    everyone, places = expand_batch([(spec, batch) for spec, (_, batch) in zip(specs, runs, strict=True)])
    made = generate(everyone, Unchanged.since_now(pinned[0].artifacts), engine)
    verified = []
    for spec, place, (recorded, _), files in zip(specs, places, runs, pinned, strict=True):
        with tempfile.TemporaryDirectory(prefix="tcdflow-verify-") as name:
            where = Path(name) / "run"
            with RunDirectory.open(where, spec, derived_from=recorded.key) as run:
                run.lock(files.lock)
                keep(made[place], run)
            verified.append(judge(recorded, where, run.record))
    return verified
