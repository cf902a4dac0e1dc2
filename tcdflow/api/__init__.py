"""The library: what the command line does, for programs and notebooks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.api.alone import composing, one_at_a_time

if TYPE_CHECKING:
    from tcdflow.config.compose import Composer
    from tcdflow.config.composition import Composition
    from tcdflow.engine.result import Result
    from tcdflow.engine.sampler import Step
    from tcdflow.engine.warm import WarmEngine
    from tcdflow.results.results import Results
    from tcdflow.spec.model import RunSpec

Directory = str | os.PathLike[str]


def compose(*overrides: str, config_dir: str | Path | None = None) -> RunSpec:
    """Compose a :class:`RunSpec` from Hydra overrides, as the command line does with ``--no-defaults``.

    Args:
        overrides: such as ``"base=sdxl"``, ``"prompt=a red fox"``, ``"sampling.steps=8"``; one may be the path of a
            YAML that is run as an experiment, ``"mine.yaml"``.
        config_dir: a directory laid out like ``conf/`` whose files add to tcdflow's own.

    Raises:
        ConfigError: with every violation found.
    """
    return _composed(overrides, config_dir).spec


@one_at_a_time
def run(
    *overrides: str,
    config_dir: str | Path | None = None,
    on_step: Step | None = None,
    progress: bool | None = None,
) -> Result:
    """Make the images of a run, and leave its directory, as the command line does with ``--no-defaults``.

    The pipeline stays loaded for the next call; calls of several threads wait for each other. ``hydra.run.dir=...``
    among the overrides chooses the directory. What is probably not meant is a :class:`TcdflowWarning`, and stands in
    the record.

    Args:
        overrides: as in :func:`compose`.
        config_dir: as in :func:`compose`.
        on_step: called after each denoising step with the number of the image, the steps done of it, and its steps.
        progress: whether a bar is shown; None: in a notebook and on a terminal.

    Raises:
        RequestError: if the request is wrong; nothing was written.
        RunError: if the run failed; its record says why. Also if an ``on_step`` calls it, since it would change the
            pipeline of the run that is under way.
        KeyboardInterrupt: if it was interrupted; its record says so.
    """
    from tcdflow.api.watch import StepBar, download, warn
    from tcdflow.config.run_output import RunOutput
    from tcdflow.request.prepare import prepare
    from tcdflow.request.request import Request
    from tcdflow.request.run import directory_warnings, run_single
    from tcdflow.tracking.follow import followed

    composition = _composed(overrides, config_dir)
    output = RunOutput.of(composition.config)
    with download(progress) as downloaded:
        prepared = prepare(Request.composed(composition), downloaded)
    warn([*prepared.warnings, *directory_warnings(output, prepared)])
    with StepBar(progress, len(prepared.spec.sampling.seeds), on_step) as bar:
        result = run_single(prepared, output, _engine(), bar.step, logs=False)
    warn(result.record.warnings[len(prepared.warnings) :])
    with followed(result.directory, composition.tracking, warn):
        pass
    return result


@one_at_a_time
def sweep(
    *overrides: str,
    config_dir: str | Path | None = None,
    on_step: Step | None = None,
    progress: bool | None = None,
) -> Results:
    """Make the images of a sweep, and leave its directory, as ``tcdflow -m`` does with ``--no-defaults``.

    What is done already is not made again: the same call goes on where an interrupted one stopped, and at once returns
    the results of one that is finished. A cell that fails stops no other; its image says why it is not there, and a
    :class:`TcdflowWarning` that there are such.

    Args:
        overrides: as in :func:`compose`, some with several values: ``"sampling.eta=0,0.5,1"``.
            ``hydra.sweep.dir=...`` chooses the directory.
        config_dir: as in :func:`compose`.
        on_step: called after each denoising step with the number of the image in its cell, the steps done of it, and
            its steps. What it raises ends the sweep.
        progress: whether a bar is shown; None: in a notebook and on a terminal.

    Raises:
        RequestError: if the request is wrong; nothing was made.
        RunError: if the sweep as a whole cannot go on, or an ``on_step`` calls it.
        KeyboardInterrupt: if it was interrupted; the records say how far it is.
    """
    from tcdflow.api.watch import Bars, warn
    from tcdflow.config.plugins import drive
    from tcdflow.engine.interrupts import Interrupts
    from tcdflow.errors import ConfigError, Problem
    from tcdflow.multirun.launcher import Process
    from tcdflow.multirun.planned import PlannedSweep
    from tcdflow.results.results import Results
    from tcdflow.text import counted

    with composing:
        composer, texts = _composer(overrides, config_dir)
        by = drive(composer, texts)
    if not by.planned:
        what = "is for the command line (tcdflow -m ...); tcdflow.load(DIRECTORY) then reads its results"
        raise ConfigError([Problem("tcdflow.sweep", what, str(by))])
    with Interrupts() as interrupts:
        bars = Bars(progress, interrupts.at_each(on_step))
        try:
            with composing:
                sweep = PlannedSweep.prepare(composer, texts, by)
            done = sweep.run(Process(_engine(), lambda: interrupts.came), bars)
        except KeyboardInterrupt:
            if bars.raised is None:
                raise
            raise bars.raised from None
    warn(done.warnings)
    failed = [outcome for outcome in done.outcomes if outcome.status == "failed"]
    if failed:
        said = f"{len(failed)} of {counted(len(done.outcomes), 'cell')} failed; the first: {failed[0].reason}"
        warn([f"{said} (tcdflow resume --retry-failed {done.directory} runs them again)"])
    return Results.of([done.directory])


def load(*directories: Directory) -> Results:
    """Return the images of runs and sweeps, with their settings and metrics.

    Args:
        directories: each of a run, of a sweep, finished or not, or with several below.

    Raises:
        RecordError: if one is no directory, or holds no run; also for a list of them.
    """
    from tcdflow.api.watch import warn
    from tcdflow.errors import RecordError
    from tcdflow.results.results import Results
    from tcdflow.spec.paths import at_home

    if not directories:
        raise RecordError("name what is to be loaded: directories of runs or sweeps")
    for directory in directories:
        if not isinstance(directory, str | os.PathLike):
            raise RecordError(f"name directories one after the other, as in tcdflow.load('a', 'b'), not {directory!r}")
    results = Results.of([at_home(os.fspath(directory)) for directory in directories])
    warn(results.notes)
    return results


def _composed(overrides: Sequence[str], config_dir: str | Path | None) -> Composition:
    with composing:
        composer, texts = _composer(overrides, config_dir)
        return composer.compose(texts)


def _composer(overrides: Sequence[str], config_dir: str | Path | None) -> tuple[Composer, Sequence[str]]:
    """Return what composes, and the overrides without the YAML that is named by its path."""
    from tcdflow.config import named
    from tcdflow.config.compose import Composer
    from tcdflow.errors import ConfigError, Problem

    given: Sequence[object] = overrides  # whatever their types say
    for override in given:
        if not isinstance(override, str):
            what = 'must be texts, one after the other, as in tcdflow.run("prompt=a fox", "sampling.seed=1")'
            raise ConfigError([Problem("overrides", what, override)])
    words = named.read(overrides)
    return Composer(config_dir or words.beside, experiment=words.file), words.overrides


@cache
def _engine() -> WarmEngine:
    from tcdflow.engine.warm import WarmEngine

    return WarmEngine(lasting=True)
