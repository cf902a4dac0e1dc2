"""``tcdflow [OVERRIDE ...]`` and ``tcdflow -m OVERRIDE ...``: one run, or a sweep."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from tcdflow.app import Failed, Job, WarmEngine, plan, run_single, run_sweep, sweep_dir
from tcdflow.cli import flags
from tcdflow.cli.progress import StepBar
from tcdflow.engine.result import Result
from tcdflow.errors import printable
from tcdflow.spec.compose import CONFIG_NAME, Composer


def run(argv: Sequence[str]) -> int:
    """Make one run or a sweep, or show what Hydra's own flags ask for."""
    args = flags.parse(argv)
    composer = Composer(args.config_dir)
    if args.cfg or args.info or args.shell_completion or args.hydra_help:
        return _hydra_flag(composer, args)
    return _sweep(composer, args.overrides) if args.multirun else _single(composer, args.overrides)


def _single(composer: Composer, overrides: Sequence[str]) -> int:
    start = time.perf_counter()
    job = Job.prepare(composer.compose(overrides))
    warn(job.composition.warnings)
    with StepBar(len(job.composition.spec.sampling.seeds)) as bar:
        result = run_single(job, WarmEngine(reusable=False, on_loaded=_collect_again), bar.step)
    for path in result.paths:
        print(path)
    print(_summary(result, time.perf_counter() - start), file=sys.stderr)
    return 0


def _sweep(composer: Composer, overrides: Sequence[str]) -> int:
    start = time.perf_counter()
    compositions = plan(composer, overrides)
    jobs = [Job.prepare(composition) for composition in compositions]
    warn(dict.fromkeys(text for composition in compositions for text in composition.warnings))
    directory = sweep_dir(compositions[0])

    def report(number: int, outcome: Result | Failed) -> None:
        if isinstance(outcome, Failed):
            reason = printable(str(outcome.error).splitlines()[0] if str(outcome.error) else repr(outcome.error))
            print(f"failed: {outcome.directory}: {reason}", file=sys.stderr)
            return
        for path in outcome.paths:
            print(path, flush=True)

    outcomes = run_sweep(jobs, directory, WarmEngine(on_loaded=_collect_again), report)
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    seconds = time.perf_counter() - start
    print(
        f"{len(outcomes) - failed} of {len(outcomes)} cells done in {seconds:.1f} s: {directory}",
        file=sys.stderr,
    )
    return 1 if failed else 0


def _collect_again() -> None:
    """Start the garbage collector, which ``main`` stopped, and spare it what was imported."""
    gc.freeze()
    gc.enable()


def warn(texts: Sequence[str] | dict[str, None]) -> None:
    """Say what is probably not meant."""
    for text in texts:
        print(f"tcdflow: warning: {printable(text)}", file=sys.stderr)


def _summary(result: Result, seconds: float) -> str:
    stages = result.record.execution["seconds"]
    parts = ", ".join(f"{name} {spent:.2f}" for name, spent in stages.items())
    count = len(result.images)
    what = f"{count} picture{'s' if count != 1 else ''}"
    return f"{what} in {seconds:.1f} s ({parts}); record: {result.directory / 'run.json'}"


def _hydra_flag(composer: Composer, args: argparse.Namespace) -> int:
    hydra = composer.hydra
    overrides = list(args.overrides)
    if args.shell_completion:
        hydra.shell_completion(config_name=CONFIG_NAME, overrides=overrides)
    elif args.info:
        hydra.show_info(args.info, config_name=CONFIG_NAME, overrides=overrides)
    elif args.hydra_help:
        hydra.hydra_help(config_name=CONFIG_NAME, args_parser=get_args_parser(), args=args)
    else:
        composer.compose(overrides)
        texts = composer.hydra_texts(overrides)
        hydra.show_cfg(CONFIG_NAME, texts, cfg_type=args.cfg, package=args.package, resolve=args.resolve)
    return 0
