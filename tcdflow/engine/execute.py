"""Runs from spec to record: files are hashed while the heavy libraries are imported, what is made is written down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tcdflow.artifacts.lock import LockedFile, lock
from tcdflow.artifacts.resolve import Artifacts
from tcdflow.engine.interrupts import Interrupts
from tcdflow.engine.result import Result
from tcdflow.errors import FlawedError
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.batch import Batch, company
from tcdflow.spec.model import RunSpec

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine, Generated
    from tcdflow.engine.making import Step

log = logging.getLogger(__name__)


def execute(
    spec: RunSpec,
    artifacts: Artifacts,
    run: RunDirectory,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    locked: Sequence[LockedFile] | None = None,
    batch: Batch | None = None,
) -> Result:
    """Make a run's pictures and write them with their record.

    Args:
        spec: the run.
        artifacts: its local files.
        run: its open directory.
        engine: gives the engine; called once torch may be imported.
        on_step: progress.
        locked: the lock, if the files were hashed already.
        batch: what the run is to be made together with, as it was before.

    Raises:
        FlawedError: if what came out are no pictures.
    """
    specs, own = company(spec, batch)
    if locked is not None:
        run.lock(locked)
        generated = generate(specs, artifacts, engine, on_step)[own]
    else:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="lock") as pool:
            locking = pool.submit(lock, artifacts)
            generated = generate(specs, artifacts, engine, on_step)[own]
            run.lock(locking.result())
    return keep(generated, run)


def generate(
    specs: Sequence[RunSpec], artifacts: Artifacts, engine: Callable[[], Engine], on_step: Step | None = None
) -> list[Generated]:
    """Make the pictures of runs that share files and calls; an interrupt that a library has caught is raised again."""
    with Interrupts() as interrupts:
        return engine().run_together(specs, artifacts, interrupts.at_each(on_step))


def keep(generated: Generated, run: RunDirectory) -> Result:
    """Write what a run has made and how, its lock being set; what came out flawed is not written.

    Raises:
        FlawedError: naming the first that is none.
        OutputError: if they cannot be written.
    """
    run.record.execution = generated.execution
    run.record.environment |= generated.environment
    run.save(generated.made, generated.inputs, generated.batch)
    for made in generated.made:
        if made.flaw is not None:
            raise FlawedError(f"the picture of seed {made.seed} is not kept: {made.flaw}")
    log.info("made %d picture(s): %s", len(generated.made), generated.execution["seconds"])
    images = tuple(made.frames[0] for made in generated.made)
    animations = tuple(made.frames for made in generated.made if made.animated)
    return Result(images, run.record, run.path, animations)
