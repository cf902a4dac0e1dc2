"""``tcdflow fetch``: download what a config, a sweep, a plan or a recorded run needs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tcdflow.cli import flags
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.files import DownloadBar, show_files
from tcdflow.cli.warn import warn
from tcdflow.config import named
from tcdflow.config.compose import Composer
from tcdflow.config.permission import permitted
from tcdflow.config.vary import vary
from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifact, refuse_pickles
from tcdflow.files.lock import lock
from tcdflow.files.resolve import fetch
from tcdflow.multirun.prepare import prepare
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.rerun.source import find, is_sweep
from tcdflow.spec.paths import is_there
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps.files import looked_up

EXAMPLES = (
    ("tcdflow fetch experiment=quickstart", "download what a run needs"),
    ("tcdflow fetch outputs/sweeps/demo", "download what a planned sweep, a run or an image needs"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    return flags.overrides_parser(
        "fetch",
        "Download what a config, a sweep (-m, or its directory), a run or an image needs, each file from where an "
        "earlier try was cut off. HF_HUB_OFFLINE=1 works afterwards.",
        EXAMPLES,
        hidden=("--fetch",),
    )


def main(argv: Sequence[str]) -> int:
    """Download what is missing, and say what is here."""
    args = flags.read(parser(), argv, words=True)
    path, overrides = _path(args.overrides)
    if path is not None:
        if args.multirun or args.config_dir:
            raise ConfigError([Problem("fetch", "a plan or record is taken as it is, without -m and --config-dir")])
        looked = _recorded(path, overrides)
    else:
        flags.find_file(args)
        looked = _composed(flags.composer(args, fetch=True), args.overrides, sweeping=args.multirun)
    with DownloadBar() as bar:
        here = fetch(looked, bar.progress)
    show_files(here)
    return 0


def _path(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Return the path that is named first, if one is, and the overrides. A cell's directory has ``=`` in its name."""
    if words and words[0].lower().endswith(named.SUFFIXES):
        return None, list(words)
    if words and (is_there(Path(words[0])) or ("=" not in words[0] and not words[0].startswith("~"))):
        return Path(words[0]), list(words[1:])
    return None, list(words)


def _composed(composer: Composer, overrides: Sequence[str], *, sweeping: bool) -> Iterable[Artifact]:
    if sweeping:
        sweep = prepare(composer, overrides)
        warn(sweep.warnings)
        return sweep.artifacts
    composition = composer.compose(overrides)
    warn(composition.warnings)
    return Preparer()(Request.composed(composition)).files


def _recorded(path: Path, overrides: Sequence[str]) -> Iterable[Artifact]:
    allow_pickle, changes = permitted(overrides)
    if path.name == plans.FILE_NAME or is_sweep(path) or is_there(path / plans.FILE_NAME):
        if changes:
            raise ConfigError([Problem("fetch", "a plan is taken as it is, without overrides", changes[0])])
        return _planned(path.parent if path.name == plans.FILE_NAME else path, allow_pickle=allow_pickle)
    recorded = find(path)
    spec = vary(recorded.spec, changes)
    return Preparer()(recorded.request(spec, allow_pickle=allow_pickle, fetch=True, overrides=overrides)).files


def _planned(directory: Path, *, allow_pickle: bool) -> Iterable[Artifact]:
    plan = plans.read(directory)
    parts = [files.artifact(fetch=True) for files in plan.files]
    refuse_pickles([] if allow_pickle else parts)
    looked = looked_up(parts)
    plan.pins().hold(lock(looked))
    return looked
