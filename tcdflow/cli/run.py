"""``tcdflow [OVERRIDE ...]`` and ``tcdflow -m OVERRIDE ...``: one run, or a sweep."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tcdflow.cli import flags
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.engines import engine, preparer
from tcdflow.cli.made import tell
from tcdflow.cli.warn import tell_seeds, warn
from tcdflow.config.compose import CONFIG_NAME, Composer
from tcdflow.libraries.hydra import arguments
from tcdflow.text import printable

if TYPE_CHECKING:
    from tcdflow.engine.result import Result


EXAMPLES = (
    ('tcdflow prompt="a red heart" sampling.seed=1', "make an image"),
    ("tcdflow experiment=quickstart sampling.eta=0.5", "run a YAML, with a change"),
    ("tcdflow -m sampling.eta=0,0.5,1 sampling.seed=1,2", "make every combination: a sweep"),
    ("tcdflow -m 'sampling.seed=range(100)' hydra/launcher=ray", "spread a sweep over devices and machines"),
)
_ABOUT = """\
tcdflow: declarative, reproducible few-step diffusion with TCD-LoRAs. Makes an image or, with -m, a sweep.

Overrides are Hydra's: group=option chooses a YAML of conf/, key.subkey=value sets a value.
  tcdflow mine.yaml             runs a YAML of your own, by its path
  hydra/sweeper=optuna          has a sweeper choose the cells of a sweep
  security.allow_pickle=true    reads the tensors of pickled weights (.bin .ckpt .pt); none of their code is run
Exit status: 0 done, 1 a run failed, 2 the request was wrong, 130 interrupted. TCDFLOW_DEBUG=1 shows tracebacks."""


def parser() -> Arguments:
    """Return the parser of runs and sweeps."""
    parser = flags.overrides_parser("", _ABOUT, EXAMPLES)
    parser.usage = "tcdflow [FILE.yaml] [OVERRIDE ...] | tcdflow -m [FILE.yaml] OVERRIDE ... | tcdflow COMMAND ..."
    return parser


def main(argv: Sequence[str]) -> int:
    """Make one run or a sweep, or show what Hydra's own flags ask for."""
    shells = "--shell-completion" in argv or "-sc" in argv
    args = flags.read(parser(), argv, words=shells)
    if args.shell_completion:
        from tcdflow.cli import completion

        return completion.main(args.overrides)
    composer = flags.composer(args)
    if args.cfg or args.info or args.hydra_help:
        return _hydra_flag(composer, args)
    if args.multirun:
        from tcdflow.cli.sweep import sweep

        return sweep(composer, args.overrides)
    return _single(composer, args.overrides)


def _single(composer: Composer, overrides: Sequence[str]) -> int:
    start = time.perf_counter()
    composition = composer.compose(overrides)
    # A mistake is answered before what only a run needs is imported.
    from tcdflow.cli.files import DownloadBar
    from tcdflow.cli.progress import StepBar
    from tcdflow.config.run_output import RunOutput
    from tcdflow.request.prepare import prepare
    from tcdflow.request.request import Request
    from tcdflow.request.run import directory_warnings, run_single
    from tcdflow.tracking.follow import followed

    output = RunOutput.of(composition.config)
    with DownloadBar() as download:
        prepared = prepare(Request.composed(composition), download.progress, preparer())
    tell_seeds(composer.seeds.drawn)
    warn([*prepared.warnings, *directory_warnings(output, prepared)])
    with StepBar(len(prepared.spec.sampling.seeds)) as bar:
        made_by = engine(reusable=False)
        result = run_single(prepared, output, made_by, bar.step)
    warn(result.record.warnings[len(prepared.warnings) :])
    tell(result.paths)
    with followed(result.directory, composition.tracking, warn):
        pass
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
    if args.multirun:  # of a sweep its first cell
        from tcdflow.config.axes import ends

        overrides = list(ends(composer, overrides)[0])
    if args.info:
        hydra.show_info(args.info, config_name=CONFIG_NAME, overrides=overrides)
    elif args.hydra_help:
        hydra.hydra_help(config_name=CONFIG_NAME, args_parser=arguments(), args=args)
    else:
        composer.compose(overrides)
        texts = composer.hydra_texts(overrides)
        hydra.show_cfg(CONFIG_NAME, texts, cfg_type=args.cfg, package=args.package, resolve=args.resolve)
    return 0
