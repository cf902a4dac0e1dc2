"""``tcdflow [OVERRIDE ...]`` and ``tcdflow -m OVERRIDE ...``: one run, or a sweep."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tcdflow.cli import flags
from tcdflow.cli.collector import collect_again
from tcdflow.cli.warn import warn
from tcdflow.config.compose import CONFIG_NAME, Composer
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import arguments
from tcdflow.text import printable

if TYPE_CHECKING:
    from tcdflow.engine.result import Result


def run(argv: Sequence[str]) -> int:
    """Make one run or a sweep, or show what Hydra's own flags ask for."""
    args = flags.parse(argv)
    composer = Composer(args.config_dir)
    if args.cfg or args.info or args.shell_completion or args.hydra_help:
        return _hydra_flag(composer, args)
    if args.multirun:
        from tcdflow.cli.sweep import sweep

        return sweep(composer, args.overrides)
    return _single(composer, args.overrides)


def _single(composer: Composer, overrides: Sequence[str]) -> int:
    start = time.perf_counter()
    composition = composer.compose(overrides)
    # A mistake is answered before what only a run needs is imported.
    from tcdflow.app import Job, WarmEngine, run_single
    from tcdflow.cli.files import DownloadBar
    from tcdflow.cli.progress import StepBar

    with DownloadBar() as download:
        job = Job.prepare(composition, download.progress)
    warn(job.composition.warnings)
    with StepBar(len(job.composition.spec.sampling.seeds)) as bar:
        result = run_single(job, WarmEngine(reusable=False, on_loaded=collect_again), bar.step)
    for path in result.paths:
        print(path)
    print(summary(result, time.perf_counter() - start), file=sys.stderr)
    return 0


def summary(result: Result, seconds: float) -> str:
    """Say in a line what a run has made, how long it took, and where its record is."""
    stages = result.record.execution["seconds"]
    parts = ", ".join(f"{name} {spent:.2f}" for name, spent in stages.items())
    count = len(result.images)
    what = f"{count} image{'s' if count != 1 else ''}"
    return f"{what} in {seconds:.1f} s ({parts}); record: {printable(str(result.directory / 'run.json'))}"


def _hydra_flag(composer: Composer, args: argparse.Namespace) -> int:
    hydra = composer.hydra
    overrides = list(args.overrides)
    if args.shell_completion:
        _check_completion(overrides)
        _check_completion(overrides)
        hydra.shell_completion(config_name=CONFIG_NAME, overrides=overrides)
    elif args.info:
        hydra.show_info(args.info, config_name=CONFIG_NAME, overrides=overrides)
    elif args.hydra_help:
        hydra.hydra_help(config_name=CONFIG_NAME, args_parser=arguments(), args=args)
    else:
        composer.compose(overrides)
        texts = composer.hydra_texts(overrides)
        hydra.show_cfg(CONFIG_NAME, texts, cfg_type=args.cfg, package=args.package, resolve=args.resolve)
    return 0


def _check_completion(overrides: Sequence[str]) -> None:
    if len(overrides) != 1 or not re.fullmatch("(install|uninstall|query)=(bash|zsh|fish)", overrides[0]):
        what = "goes with one of install=SHELL, uninstall=SHELL and query=SHELL; shells are bash, zsh and fish"
        raise ConfigError([Problem("--shell-completion", what)])
