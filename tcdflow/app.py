"""The application that the command line and the library share: from overrides to finished runs.

Order matters here: everything that can be wrong with a request is found before a directory is made, and before
torch is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

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
from tcdflow.record.cleanup import remove_link
from tcdflow.record.log import log_file
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.batch import Batch
from tcdflow.sweep.metrics import measured

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
    """Run one job in the directory that its config names, and leave ``.hydra/`` there and, with ``logs``, ``run.log``.

    Raises:
        TcdflowError: whatever went wrong, the record having been told.
    """
    config = job.composition.config
    verbose = _verbose(config)
    where = _claimed(config)
    log_path = where / f"{config.hydra.job.name}.log"
    with _begun(where, job) as run, _log(log_path, verbose) if logs else nullcontext():
        _save_config(config, where)
        return _made(job, run, engine, on_step)


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
            run.record.execution["metrics"] = measured(run.record, result.images)
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


@contextmanager
def _log(path: Path, verbose: Sequence[str]) -> Iterator[None]:
    with log_file(path, verbose):
        try:
            yield
        except TcdflowError:  # is told in a line, and needs no traceback
            raise
        except Exception:
            log.exception("the run failed")
            raise


def _verbose(config: DictConfig) -> list[str]:
    """Return the loggers that ``hydra.verbose`` names; ``true`` means the root."""
    value = config.hydra.verbose
    if isinstance(value, bool):
        return [""] if value else []
    names = [value] if isinstance(value, str) else list(value) if OmegaConf.is_list(value) else [value]
    if not all(isinstance(name, str) for name in names):
        raise ConfigError([Problem("hydra.verbose", "must be true, false, or the names of loggers", value)])
    return names


def _save_config(config: DictConfig, where: Path) -> None:
    """Write the three files that Hydra writes for a job, each of them whole."""
    if config.hydra.output_subdir is None:
        return
    folder = where / config.hydra.output_subdir
    remove_link(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError.of(folder, error, "made") from error
    OmegaConf.update(config, "hydra.runtime.output_dir", str(where), force_add=True)
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    parts = {"config": own, "hydra": OmegaConf.masked_copy(config, "hydra"), "overrides": config.hydra.overrides.task}
    for name, part in parts.items():
        write_text(folder / f"{name}.yaml", OmegaConf.to_yaml(part), durable=False)


def _claimed(config: DictConfig) -> Path:
    """Return a run's directory, one of its own where the user chose none: two may start within a second."""
    wanted = Path(str(config.hydra.run.dir))
    if any(text.lstrip("+").startswith("hydra.run.dir=") for text in config.hydra.overrides.hydra):
        if not config.hydra.run.dir:  # a variable that the shell does not know
            raise ConfigError([Problem("hydra.run.dir", "must not be empty; '.' is the working directory")])
        return wanted.absolute()
    for number in range(1, 10_000):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError.of(path, error, "made") from error
        OmegaConf.update(config, "hydra.run.dir", str(path), force_add=True)
        return path.absolute()
    raise OutputError(f"{wanted}: ten thousand runs have started within this second")
