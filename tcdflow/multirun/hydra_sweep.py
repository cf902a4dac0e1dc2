"""Sweeps that Hydra drives: by its sweepers, such as Optuna's, and launchers, such as joblib's and submitit's.

What a single run answers for is answered for here too: by the first and the last value of each axis before anything is
made, and by each job before it loads anything, in whichever process it runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tcdflow.config.axes import ends, spelled_out
from tcdflow.config.compose import Composer
from tcdflow.config.composition import Composition
from tcdflow.config.overrides import ParsedOverride, quoted
from tcdflow.config.permission import ALLOW_PICKLE, permitted
from tcdflow.config.plugins import BASIC, Drive
from tcdflow.config.run_output import SweepOutput
from tcdflow.engine.result import Result
from tcdflow.engine.warm import WarmEngine
from tcdflow.errors import ConfigError, Problem, RunError, SourceError
from tcdflow.files.artifact import Artifact
from tcdflow.files.model import find_model
from tcdflow.files.pins import Pins
from tcdflow.files.resolver import problem
from tcdflow.libraries.hydra import without_job_lines
from tcdflow.multirun import colours
from tcdflow.multirun.launcher import Launcher
from tcdflow.record.document import FILE_NAME
from tcdflow.request.execute import execute
from tcdflow.request.prepare import Preparer, prepare
from tcdflow.request.request import Request
from tcdflow.request.run import opened
from tcdflow.spec.metrics import METRICS, ImageMetric
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweeps import planner
from tcdflow.sweeps.metrics import asked, measure, objectives
from tcdflow.sweeps.plan import Plan
from tcdflow.text import any_of, first_line

log = logging.getLogger(__name__)

_UNDERSTOOD = {"name", "metric", "scorer"}
"""Settings of a sweep that mean something when Hydra drives it."""
_DIRECTIONS = ("minimize", "maximize")


_engines: list[WarmEngine] = []


def _engine() -> WarmEngine:
    """Return the engine of the jobs that run in this process, one after the other: that of the sweep, where it runs."""
    if not _engines:
        _engines.append(WarmEngine())
    return _engines[-1]


@dataclass(frozen=True)
class Task:
    """What Hydra runs for each job, in this process or, unpickled, in another.

    Attributes:
        composer: whose loader Hydra composes the job with.
        show: told of each finished job, where it ran.
    """

    composer: Composer
    show: Callable[[Result], None]

    def __call__(self, config: DictConfig) -> float | list[float] | None:
        """Make the job's images in its directory, and return the numbers that ``sweep.metric`` names."""
        hydra = HydraConfig.get()
        where = Path(hydra.runtime.output_dir)
        try:
            OmegaConf.update(config, "hydra", hydra, force_add=True)
            parsed = [text.removeprefix("++") for text in hydra.overrides.task]
            composition = self.composer.typed(config, parsed)
            prepared = prepare(Request.composed(composition))
            with opened(where, prepared) as run:
                result = execute(prepared, run, _engine())
                measure(composition.sweep, run.record, result.images, composition.lock)
        except Exception as error:
            log.error("the run failed", exc_info=error)
            # Whatever it was has to survive the way back from another process.
            raise RunError(f"{where}: {first_line(error)}") from error
        self.show(result)
        values = objectives(composition.sweep, result.record, composition.lock)
        return values if len(values) > 1 else values[0] if values else None


@dataclass(frozen=True)
class HydraSweep:
    """A sweep that Hydra drives, right as far as can be said beforehand. Use :meth:`prepare`.

    Attributes:
        composer: of its jobs.
        by: what drives it.
        launcher: that was chosen.
        texts: overrides as Hydra is to read them.
        directory: of the sweep.
        metric: what is optimized, if anything is.
        warnings: what is probably not meant.
        first: a run with the first value of everything that varies.
        artifacts: files of the runs that are known beforehand, and of metrics; what is absent is to be fetched before
            it runs.
        plan: of its cells, where all are known beforehand; its directory is another.
    """

    composer: Composer
    by: Drive
    launcher: Launcher
    texts: tuple[str, ...]
    directory: Path
    metric: tuple[str, ...] | None
    warnings: tuple[str, ...]
    first: Composition
    artifacts: tuple[Artifact, ...]
    plan: Plan | None

    @classmethod
    def prepare(cls, composer: Composer, overrides: Sequence[str], by: Drive, pins: Pins | None = None) -> HydraSweep:
        """Find out what is wrong with a sweep before anything is made.

        Args:
            composer: of its jobs.
            overrides: as the user wrote them.
            by: what drives it.
            pins: what is known of the files, in the place of the lock file that the config names.

        Raises:
            ConfigError: if a cell that is known beforehand is wrong, or a setting of the sweep or its plug-ins.
        """
        allow_pickle, others = permitted(overrides)
        if allow_pickle:
            raise ConfigError([Problem(ALLOW_PICKLE, f"is not supported with {by}, only in sweeps that tcdflow plans")])
        overrides = [composer.seeds.override(text) for text in others]
        launcher = Launcher.of(composer, overrides, by)
        hydra = composer.load(overrides, sweeping=True).hydra
        first, last = ends(composer, overrides)
        settings = composer.sweep_of(first)
        _check_settings(settings, hydra, by)
        # All cells are known, or two.
        planned = planner.make(composer, overrides, pins) if by.sweeper == BASIC else None
        composed = [composer.compose(texts, of_sweep=True) for texts in (first, last)]
        launcher.check(planned.runtimes if planned else [composition.spec.runtime for composition in composed])
        prepared = Preparer()
        jobs = [prepared(Request.composed(composition, pins)) for composition in composed]
        warnings = planned.warnings if planned else [text for job in jobs for text in job.warnings]
        artifacts = planned.artifacts if planned else [artifact for job in jobs for artifact in job.files]
        artifacts = [*artifacts, *_scorers(settings, jobs[0].request.pins)]
        output = SweepOutput.of(composed[0].config)
        directory = output.directory or _directory(composed[0].config, settings)
        parsed, _ = composer.parsed([spelled_out(composer, text) for text in overrides], sweeping=True)
        chosen, _ = composer.parsed(first)
        config = composer.load([item.text for item in chosen if item.is_group])
        texts = [_bare(item, config) for item in parsed if item.hydra_text and item.key != "hydra.sweep.dir"]
        texts.append(f"hydra.sweep.dir={quoted(str(directory))}")
        return cls(
            composer=composer,
            by=by,
            launcher=launcher,
            texts=tuple(texts),
            directory=directory,
            metric=settings.metric,
            warnings=tuple(dict.fromkeys([*warnings, *output.warnings, *_aimless(settings, hydra, by, overrides)])),
            first=replace(composed[0], spec=jobs[0].spec),
            artifacts=tuple(dict.fromkeys(artifacts)),
            plan=planned.plan if planned else None,
        )

    def check_here(self) -> None:
        """Find out whether it can run on this machine, in its directory: it never writes over runs that are there.

        Raises:
            ConfigError: if it cannot.
        """
        self.launcher.check_here()
        if next(self.directory.rglob(FILE_NAME), None) is not None:
            what = "holds runs already, and such a sweep cannot go on with them; choose another"
            raise ConfigError([Problem("hydra.sweep.dir", what, str(self.directory))])
        if any(_is_linked(path) for path in self.directory.rglob("*")):
            what = "holds links, through which Hydra would write elsewhere; choose another"
            raise ConfigError([Problem("hydra.sweep.dir", what, str(self.directory))])

    def run(self, show: Callable[[Result], None], engine: WarmEngine) -> None:
        """Run it.

        Args:
            show: told of each finished job, in the process where it ran.
            engine: of the jobs that run in this process.

        Raises:
            RunError: if a job failed and the sweeper does not go on without it.
        """
        _engines.append(engine)
        try:
            with colours.on_terminals_alone(), without_job_lines():
                self.composer.hydra.multirun(self.composer.config_name, Task(self.composer, show), list(self.texts))
        finally:
            _engines.pop()


def _check_settings(settings: SweepSpec, hydra: DictConfig, by: Drive) -> None:
    default = SweepSpec()
    problems = [
        Problem(f"sweep.{name}", f"is not supported with {by}, only in sweeps that tcdflow plans")
        for name in SweepSpec.model_fields
        if name not in _UNDERSTOOD and getattr(settings, name) != getattr(default, name)
    ]
    if by.sweeper != BASIC and settings.metric is None:
        what = f"must be given: {by} optimizes {any_of(METRICS)}, to hydra.sweeper.direction"
        problems.append(Problem("sweep.metric", what))
    for name in filter(_needs_reference, settings.metric or ()):
        what = f"needs reference images: tcdflow measure DIR {name} --against KEY=VALUE measures what is there"
        problems.append(Problem("sweep.metric", what, name))
    modelled = [name for name, metric in _asked_metrics(settings).items() if metric.model is not None]
    if settings.scorer is not None and len(modelled) != 1:
        what = "is the model of one metric" if modelled else "has no effect without sweep.metric=clip or pickscore"
        problems.append(Problem("sweep.scorer", what, settings.scorer))
    directions, count = _directions(hydra), len(settings.metric or ("",))
    if len(directions) != count or not set(directions) <= set(_DIRECTIONS):
        one, numbers = " or ".join(_DIRECTIONS), "one number" if count == 1 else f"{count} numbers"
        listed = f"[{','.join(map(_to_the_better, settings.metric or ()))}]"
        what = f"must be {one if count == 1 else f'{count} of {one}, such as {listed}'}: sweep.metric names {numbers}"
        problems.append(Problem("hydra.sweeper.direction", what, ",".join(directions)))
    if problems:
        raise ConfigError(problems)


def _needs_reference(name: str) -> bool:
    metric = METRICS[name]
    return isinstance(metric, ImageMetric) and metric.needs_reference


def _asked_metrics(settings: SweepSpec) -> dict[str, ImageMetric]:
    metrics = {name: METRICS[name] for name in asked(settings)}
    return {name: metric for name, metric in metrics.items() if isinstance(metric, ImageMetric)}


def _scorers(settings: SweepSpec, pins: Pins) -> Iterator[Artifact]:
    """Yield the models of metrics that jobs are measured with, which may have yet to be downloaded.

    Args:
        settings: of the sweep.
        pins: that hold the files of its jobs.

    Raises:
        ConfigError: if one cannot be had.
    """
    for name, metric in _asked_metrics(settings).items():
        source = settings.scorer or metric.model
        if source is None:
            continue
        try:
            yield find_model(name, source, pins)
        except SourceError as error:
            raise ConfigError([problem("sweep.scorer" if settings.scorer else "sweep.metric", source, error)]) from None


def _aimless(settings: SweepSpec, hydra: DictConfig, by: Drive, overrides: Sequence[str]) -> Iterator[str]:
    """Yield a warning if a metric is optimized the wrong way, and nobody has asked for that."""
    chosen = any(text.lstrip("+").startswith("hydra.sweeper.direction=") for text in overrides)
    if by.sweeper != BASIC and settings.metric is not None and not chosen:
        for name, direction in zip(settings.metric, _directions(hydra), strict=True):
            if direction != _to_the_better(name):
                better = METRICS[name].better
                yield f"sweep.metric={name}: {better} is better, and hydra.sweeper.direction is {direction}"


def _to_the_better(name: str) -> str:
    return {"higher": "maximize", "lower": "minimize"}[METRICS[name].better]


def _directions(hydra: DictConfig) -> list[str]:
    """Return the directions in which a sweeper optimizes; Optuna's has an enum of them."""
    found = hydra.sweeper.get("direction")
    several = found if OmegaConf.is_list(found) else [found]
    return [str(getattr(one, "name", one or "minimize")) for one in several]


def _directory(config: DictConfig, settings: SweepSpec) -> Path:
    """Return where to if nobody says: after the sweep's name, else where Hydra would."""
    return Path(f"outputs/sweeps/{settings.name}" if settings.name is not None else str(config.hydra.sweep.dir))


def _is_linked(path: Path) -> bool:
    return path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)


def _bare(item: ParsedOverride, config: DictConfig) -> str:
    """Return an override as short as Hydra takes it over a config: sweepers name what they learnt by these texts."""
    parent, _, name = item.key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    known = OmegaConf.is_dict(node) and name in node
    return item.hydra_text.removeprefix("++") if known else item.hydra_text
