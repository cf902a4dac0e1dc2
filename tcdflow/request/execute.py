"""Runs from spec to record: files are hashed while the heavy libraries are imported, results are recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tcdflow.engine.interrupts import Interrupts
from tcdflow.engine.result import Result
from tcdflow.errors import InvalidOutputError
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.unchanged import Unchanged
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tcdflow.request import timings
from tcdflow.request.request import Prepared
from tcdflow.spec.batch import batch_members, batches_of
from tcdflow.spec.model import RunSpec

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine, Generated
    from tcdflow.engine.sampler import Made, Step

log = logging.getLogger(__name__)


def execute(prepared: Prepared, run: RunDirectory, engine: Callable[[], Engine], on_step: Step | None = None) -> Result:
    """Make a run's images and write them with their record.

    Args:
        prepared: the run, with all its files on this machine.
        run: its open directory.
        engine: gives the engine; called once torch may be imported.
        on_step: progress.

    Raises:
        SourceError: if a file has gone since it was found.
        RunError: if one was changed while it was read.
        InvalidOutputError: if an image is NaN, Inf or all black.
    """
    specs, own = batch_members(prepared.spec, prepared.request.batch)
    files = prepared.unchanged or Unchanged.since_now(prepared.files)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="lock") as pool:
        known = prepared.lock
        locked = (lambda: known) if known is not None else pool.submit(_locked, files).result
        batch, count = batches_of(specs)[own], len(prepared.spec.sampling.seeds)

        def keep_one(number: int, sample: Sample) -> None:
            """Write an image while the next one is made: the work of minutes is not lost with the run."""
            if 0 <= number - batch.position < count:
                run.lock(locked())
                run.keep(sample, number - batch.position, batch)

        several = count > prepared.spec.runtime.batch_size
        try:
            generated = generate(specs, files, engine, on_step, keep_one if several else None)[own]
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(f"interrupted with {len(run.record.outputs)} of {count} images made") from error
        run.lock(locked())
    result = keep(generated, run)
    timings.remember(timings.took(prepared.spec, run.record))
    return result


def _locked(files: Unchanged) -> Sequence[LockedFile]:
    found = lock(files.artifacts)
    files.check()
    return found


def generate(
    specs: Sequence[RunSpec],
    files: Unchanged,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    on_made: Made | None = None,
) -> list[Generated]:
    """Make the images of runs that share files and calls; an interrupt that a library has caught is raised again.

    Raises:
        RunError: if a file was rewritten before all of it was loaded.
    """

    def after_step(image: int, done: int, of: int) -> None:
        if (image, done) == (0, 1):  # by now everything is loaded
            files.check()
        if on_step is not None:
            on_step(image, done, of)

    with Interrupts() as interrupts:
        maker = engine()
        maker.on_made = on_made
        return maker.run_together(specs, files.artifacts, interrupts.at_each(after_step))


def keep(generated: Generated, run: RunDirectory) -> Result:
    """Write what a run has made and how, its lock being set; invalid images are not written.

    Raises:
        InvalidOutputError: naming the first of them.
        OutputError: if they cannot be written.
    """
    run.record.execution = generated.execution
    run.record.environment |= generated.environment
    run.record.warnings += generated.warnings
    run.save(generated.samples, generated.inputs, generated.batch)
    for sample in generated.samples:
        if sample.invalid is not None:
            raise InvalidOutputError(f"the image of seed {sample.seed} is not kept: {sample.invalid}")
    log.info("made %d image(s): %s", len(generated.samples), generated.execution["seconds"])
    images = tuple(sample.frames[0] for sample in generated.samples)
    animations = tuple(sample.frames for sample in generated.samples if sample.animated)
    return Result(images, run.record, run.path, animations)
