"""One run from spec to record: files are hashed while the heavy libraries are imported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tcdflow.artifacts.lock import LockedFile, lock
from tcdflow.artifacts.resolve import Artifacts
from tcdflow.engine.interrupts import Interrupts
from tcdflow.engine.result import Result
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.model import RunSpec

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.making import Step

log = logging.getLogger(__name__)


def execute(
    spec: RunSpec,
    artifacts: Artifacts,
    run: RunDirectory,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    locked: Sequence[LockedFile] | None = None,
) -> Result:
    """Make a run's pictures and write them with their record.

    Args:
        spec: the run.
        artifacts: its local files.
        run: its open directory.
        engine: gives the engine; called once torch may be imported.
        on_step: progress.
        locked: the lock, if the files were hashed already.
    """
    with Interrupts() as interrupts:
        step = interrupts.at_each(on_step)
        if locked is not None:
            run.lock(locked)
            generated = engine().run(spec, artifacts, step)
        else:
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix="lock") as pool:
                locking = pool.submit(lock, artifacts)
                generated = engine().run(spec, artifacts, step)
                run.lock(locking.result())
    run.record.execution = generated.execution
    run.record.environment |= generated.environment
    run.save(generated.made, generated.inputs)
    log.info("made %d picture(s): %s", len(generated.made), generated.execution["seconds"])
    images = tuple(made.frames[0] for made in generated.made)
    animations = tuple(made.frames for made in generated.made if made.animated)
    return Result(images, run.record, run.path, animations)
