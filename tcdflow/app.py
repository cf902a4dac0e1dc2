"""The application that the command line and the library share: from overrides to finished runs.

Order matters here: everything that can be wrong with a request is found before a directory is made, and before
torch is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.callbacks import Callbacks
from hydra.core.utils import JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, read_write

from tcdflow.config.compose import Composer, Composition
from tcdflow.engine.execute import execute
from tcdflow.engine.result import Result
from tcdflow.errors import ConfigError, OutputError, Problem, TcdflowError
from tcdflow.files.finder import Finder
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.resolve import Artifacts, Progress, fetch, look
from tcdflow.files.sizes import resolve_size
from tcdflow.record import lockfile
from tcdflow.record.atomic import write_text
from tcdflow.record.cleanup import remove_links
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.batch import Batch

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.sampler import Step

log = logging.getLogger(__name__)


@dataclass
class WarmEngine:
    """Makes the engine on first use, so that nothing heavy is imported before. Attributes as of ``Engine``."""

    reusable: bool = True
    on_loaded: Callable[[], None] | None = None
    _engine: Engine | None = field(default=None, repr=False)

    def __call__(self) -> Engine:
        """Return the engine, importing torch if need be."""
        if self._engine is None:
            from tcdflow.engine.engine import Engine

            self._engine = Engine(reusable=self.reusable, on_loaded=self.on_loaded)
        return self._engine


@dataclass(frozen=True)
class Job:
    """A composed run with its files at hand.

    Attributes:
        composition: what it is.
        artifacts: its files.
        locked: their lock, if they were hashed already.
        derived_from: key of the run that is made again.
        batch: what that one was made together with.
    """

    composition: Composition
    artifacts: Artifacts
    locked: tuple[LockedFile, ...] | None = None
    derived_from: str | None = None
    batch: Batch | None = None

    @classmethod
    def look(cls, composition: Composition) -> Job:
        """Find the files of a run, hold them against its lock file, and settle its size; download nothing large.

        Raises:
            RequestError: naming each source that is wrong, and each file that is not the lock's.
        """
        pins = lockfile.pins(composition.lock)
        artifacts = look(composition.spec, Finder(unpickle=composition.allow_pickle), pins)
        locked = None
        if composition.lock is not None:
            locked = lock(artifacts)
            pins.hold(locked)
        warnings = (*composition.warnings, *artifacts.told())
        sized = resolve_size(composition.spec, artifacts)
        return cls(replace(composition, spec=sized, warnings=warnings), artifacts, locked)

    @classmethod
    def prepare(cls, composition: Composition, progress: Progress = lambda done, total: None) -> Job:
        """Find the files of a run, and download those that are not on this machine.

        Args:
            composition: the run.
            progress: is told of the download.

        Raises:
            RequestError: as of :meth:`look`, and if a file cannot be had.
        """
        job = cls.look(composition)
        return replace(job, artifacts=Artifacts.of(fetch(job.artifacts, progress)))


def directory_config(composer: Composer, overrides: Sequence[str]) -> DictConfig:
    """Return Hydra's own settings alone: where a run writes whose spec comes from elsewhere.

    Args:
        composer: of tcdflow's configs.
        overrides: of ``hydra.run.dir`` alone.

    Raises:
        ConfigError: if Hydra cannot take them.
    """
    return OmegaConf.masked_copy(composer.draft(overrides).config, ["hydra"])


def run_single(job: Job, engine: Callable[[], Engine], on_step: Step | None = None, *, logs: bool = True) -> Result:
    """Run one job in the directory that its config names.

    Raises:
        TcdflowError: whatever went wrong, the record having been told.
    """
    config = job.composition.config
    _claim(config)
    with _begun(Path(str(config.hydra.run.dir)).absolute(), job) as run:
        return _hydra_job(config, lambda: _made(job, run, engine, on_step), logs)


def run_in(
    where: Path,
    job: Job,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    *,
    measure: bool = False,
) -> Result:
    """Run one job in a directory.

    Args:
        where: the directory.
        job: what to run.
        engine: gives the engine; called once torch may be imported.
        on_step: progress.
        measure: have the record tell the metrics of the images.

    Raises:
        TcdflowError: whatever went wrong, the record having been told.
    """
    with _begun(where, job) as run:
        result = _made(job, run, engine, on_step)
        if measure:
            from tcdflow.sweep.metrics import measured  # numpy, which a single run does without

            run.record.execution["metrics"] = measured(result.images)
    return result


def _begun(where: Path, job: Job) -> AbstractContextManager[RunDirectory]:
    composition = job.composition
    return RunDirectory.open(
        where,
        composition.spec,
        overrides=composition.overrides,
        choices=composition.choices,
        warnings=composition.warnings,
        derived_from=job.derived_from,
    )


def _made(job: Job, run: RunDirectory, engine: Callable[[], Engine], on_step: Step | None) -> Result:
    return execute(job.composition.spec, job.artifacts, run, engine, on_step, job.locked, job.batch)


def _hydra_job(config: DictConfig, work: Callable[[], Result], logs: bool) -> Result:
    """Do the work as a job of Hydra's: with its log, its ``.hydra/``, and its settings at hand."""
    subdir = config.hydra.output_subdir

    def save_in(name: str | None) -> None:
        with read_write(config.hydra):
            config.hydra.output_subdir = name

    def task(_: DictConfig) -> Result:
        save_in(subdir)
        if subdir is not None:
            _save_config(config, Path(config.hydra.runtime.output_dir) / subdir)
        return work()

    save_in(None)  # Hydra would write straight under the final names
    remove_links(Path(str(config.hydra.run.dir)))
    context = HydraContext(config_loader=None, callbacks=Callbacks())  # type: ignore[arg-type]
    with _one_line_os_errors(config), _file_logging(logs):
        done = run_job(task, config, "hydra.run.dir", None, context, configure_logging=logs)
        if done.status == JobStatus.COMPLETED:
            result: Result = done.return_value
            return result
        error: Exception = done._return_value
        if logs and not isinstance(error, TcdflowError):
            log.error("the run failed", exc_info=error)
    raise error


def _save_config(config: DictConfig, folder: Path) -> None:
    """Write the three files that Hydra does, each of them whole."""
    folder.mkdir(exist_ok=True)
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    parts = {"config": own, "hydra": OmegaConf.masked_copy(config, "hydra"), "overrides": config.hydra.overrides.task}
    for name, part in parts.items():
        write_text(folder / f"{name}.yaml", OmegaConf.to_yaml(part), durable=False)


def _claim(config: DictConfig) -> None:
    """Give a run a directory of its own where the user chose none: two may start within a second."""
    if any(text.lstrip("+").startswith("hydra.run.dir=") for text in config.hydra.overrides.hydra):
        if not config.hydra.run.dir:  # a variable that the shell does not know
            raise ConfigError([Problem("hydra.run.dir", "must not be empty; '.' is the working directory")])
        return
    wanted = Path(str(config.hydra.run.dir))
    for number in range(1, 10_000):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError.of(path, error, "made") from error
        OmegaConf.update(config, "hydra.run.dir", str(path), force_add=True)
        return
    raise OutputError(f"{wanted}: ten thousand runs have started within this second")


@contextmanager
def _one_line_os_errors(config: DictConfig) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError.of(error.filename or config.hydra.run.dir, error) from error


@contextmanager
def _file_logging(on: bool) -> Iterator[None]:
    """Close a job's log file after it: Hydra leaves the handler open, and a long session would run out of files."""
    before = list(logging.root.handlers)
    try:
        yield
    finally:
        if on:
            for handler in [h for h in logging.root.handlers if h not in before]:
                logging.root.removeHandler(handler)
                with suppress(OSError):  # what could not be logged is no reason to call the run a failure
                    handler.close()
