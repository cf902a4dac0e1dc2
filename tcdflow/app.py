"""The application that the command line and the library share: from overrides to finished runs.

Order matters here: everything that can be wrong with a request is found before a directory is made, and before
torch is imported.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from tcdflow.artifacts.resolve import Artifacts, resolve
from tcdflow.artifacts.sizes import settle
from tcdflow.engine.execute import execute
from tcdflow.engine.result import Result
from tcdflow.errors import ConfigError, OutputError, Problem, TcdflowError
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.compose import Composer, Composition
from tcdflow.spec.expand import expand

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.making import Step

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
    """A composed run with its files at hand."""

    composition: Composition
    artifacts: Artifacts

    @classmethod
    def prepare(cls, composition: Composition) -> Job:
        """Find the files of a run, and settle its size.

        Raises:
            ConfigError: naming each source that is wrong.
        """
        artifacts = resolve(composition.spec)
        return cls(replace(composition, spec=settle(composition.spec, artifacts)), artifacts)


@dataclass(frozen=True)
class Failed:
    """A cell that failed, and why."""

    directory: Path
    error: Exception


def run_single(job: Job, engine: Callable[[], Engine], on_step: Step | None = None, *, logs: bool = True) -> Result:
    """Run one job in the directory that its config names.

    Raises:
        TcdflowError: whatever went wrong, the record having been told.
    """
    config = job.composition.config
    _claim(config)
    outcome = _hydra_job(job, config, engine, on_step, "hydra.run.dir", None, logs=logs)
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome


def run_sweep(
    jobs: Sequence[Job],
    directory: Path,
    engine: Callable[[], Engine],
    on_cell: Callable[[int, Result | Failed], None],
) -> list[Result | Failed]:
    """Run the cells of a sweep one after the other; a failed one does not keep the rest from running."""
    outcomes: list[Result | Failed] = []
    for number, job in enumerate(jobs):
        config = job.composition.config
        with open_dict(config):
            config.hydra.sweep.dir = str(directory)
            config.hydra.sweep.subdir = f"cells/{cell_name(number, job.composition.overrides, jobs)}"
        outcome = _hydra_job(job, config, engine, None, "hydra.sweep.dir", "hydra.sweep.subdir", logs=True)
        outcomes.append(outcome)
        on_cell(number, outcome)
    return outcomes


def plan(composer: Composer, overrides: Sequence[str]) -> list[Composition]:
    """Expand a sweep and compose every cell.

    Raises:
        ConfigError: with the problems of all cells, each said once.
    """
    cells = expand(overrides, options=composer.options)
    compositions: list[Composition] = []
    problems: dict[Problem, None] = {}
    for cell in cells:
        try:
            compositions.append(composer.compose(cell))
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(list(problems))
    return compositions


def sweep_dir(composition: Composition) -> Path:
    """Return the directory of a sweep, as the config of its first cell says."""
    return Path(str(composition.config.hydra.sweep.dir))


def cell_name(number: int, overrides: Sequence[str], jobs: Sequence[Job]) -> str:
    """Name a cell's directory: a number that sorts, then the values that differ between cells."""
    shared = set.intersection(*(set(job.composition.overrides) for job in jobs))
    own = [text for text in overrides if text not in shared]
    parts = [f"{key.rpartition('.')[2]}={value}" for key, _, value in (text.partition("=") for text in own)]
    slug = re.sub(r"[^A-Za-z0-9.=+-]+", "-", "_".join(parts)).strip("-.")[:100]
    width = max(3, len(str(len(jobs) - 1)))
    return f"{number:0{width}d}" + (f"_{slug}" if slug else "")


def _hydra_job(
    job: Job,
    config: DictConfig,
    engine: Callable[[], Engine],
    on_step: Step | None,
    dir_key: str,
    subdir_key: str | None,
    *,
    logs: bool,
) -> Result | Failed:
    def task(_: DictConfig) -> Result:
        composition = job.composition
        where = Path(HydraConfig.get().runtime.output_dir)
        with RunDirectory.open(
            where,
            composition.spec,
            overrides=composition.overrides,
            choices=composition.choices,
            warnings=composition.warnings,
        ) as run:
            return execute(composition.spec, job.artifacts, run, engine, on_step)

    context = HydraContext(config_loader=None, callbacks=Callbacks())  # type: ignore[arg-type]
    with _one_line_os_errors(config), _file_logging(logs):
        done = run_job(task, config, dir_key, subdir_key, context, configure_logging=logs)
    if done.status == JobStatus.COMPLETED:
        result: Result = done.return_value
        return result
    error: Exception = done._return_value
    if not isinstance(error, TcdflowError):
        log.error("the run failed", exc_info=error)
    assert done.hydra_cfg is not None
    return Failed(Path(str(done.hydra_cfg.hydra.runtime.output_dir)), error)


def _claim(config: DictConfig) -> None:
    """Give a run a directory of its own where the user chose none: two may start within a second."""
    if any(text.startswith("hydra.run.dir=") for text in config.hydra.overrides.hydra):
        return
    wanted = Path(str(config.hydra.run.dir))
    for number in range(1, 10_000):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(f"{path}: cannot be made: {error.strerror}") from error
        OmegaConf.update(config, "hydra.run.dir", str(path), force_add=True)
        return
    raise OutputError(f"{wanted}: ten thousand runs have started within this second")


@contextmanager
def _one_line_os_errors(config: DictConfig) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or config.hydra.run.dir
        raise OutputError(f"{where}: cannot be written: {error.strerror}") from error


@contextmanager
def _file_logging(on: bool) -> Iterator[None]:
    """Close a job's log file after it: Hydra leaves the handler open, and a sweep would run out of files."""
    before = list(logging.root.handlers)
    try:
        yield
    finally:
        if on:
            for handler in [h for h in logging.root.handlers if h not in before]:
                logging.root.removeHandler(handler)
                handler.close()
