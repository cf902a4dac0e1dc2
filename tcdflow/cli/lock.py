"""``tcdflow lock``: write the commits and hashes of all files that a config needs, for ``lock=FILE``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from tcdflow.cli import flags
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.files import show_files
from tcdflow.cli.warn import warn
from tcdflow.config.axes import ends
from tcdflow.config.compose import Composer
from tcdflow.config.permission import permitted
from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifact
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.pins import Pins
from tcdflow.multirun.prepare import prepare
from tcdflow.record import lockfile
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.spec.paths import at_home

SUFFIX = ".lock.json"


EXAMPLES = (
    ("tcdflow lock experiment=quickstart --output quickstart.lock.json", "write the lock file of an experiment"),
    ("tcdflow lock experiment=quickstart --update", "take today's commits instead of those in the lock file"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = flags.overrides_parser(
        "lock",
        "Write a lock file: the commit and SHA-256 of every file that a run or sweep reads. lock=FILE holds a run to "
        "it. A lock file that is there keeps its commits, and what is new is added.",
        EXAMPLES,
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the lock file; NAME.lock.json if left out")
    parser.add_argument("--update", action="store_true", help="take today's commits instead of those in the lock file")
    return parser


def main(argv: Sequence[str]) -> int:
    """Write a lock file."""
    args = flags.read(parser(), argv)
    composer = flags.composer(args)
    path = args.output or _place(composer, args.overrides, sweeping=args.multirun)
    known = () if args.update or not path.exists() else lockfile.read(path).files
    pins = Pins(known, holds=lambda role: False)  # what has changed is said below, with what to do
    if args.multirun:
        sweep = prepare(composer, args.overrides, pins)
        warn(sweep.warnings)
        artifacts: Iterable[Artifact] = sweep.artifacts
    else:
        composition = composer.compose(args.overrides)
        warn(composition.warnings)
        artifacts = Preparer()(Request.composed(composition, pins)).files
    lockfile.write(path, _added(known, lock(artifacts)))
    show_files(artifacts)
    print(path)
    return 0


def _place(composer: Composer, overrides: Sequence[str], *, sweeping: bool) -> Path:
    """Return the file that the config names; else one beside a user's own experiment, or here.

    Raises:
        ConfigError: if a config file, which is untrusted, names a place that is not below the working directory.
    """
    _, others = permitted(overrides)
    config = composer.load(ends(composer, others)[0] if sweeping else others)
    if isinstance(named := OmegaConf.select(config, "lock"), str):
        path = at_home(named)
        by_hand = any(text.partition("=")[0].lstrip("+") == "lock" for text in overrides)
        if not by_hand and (path.suffix != ".json" or not path.resolve().is_relative_to(Path.cwd().resolve())):
            what = "a config file may name a .json file below the working directory; --output names any other"
            raise ConfigError([Problem("lock", what, named)])
        return path
    experiment = config.hydra.runtime.choices.get("experiment")
    if experiment is None:
        return Path(f"tcdflow{SUFFIX}")
    own = composer.own_file(f"experiment/{experiment}")
    return own.with_suffix(SUFFIX) if own else Path(f"{experiment}{SUFFIX}")


def _added(known: Sequence[LockedFile], now: Sequence[LockedFile]) -> Iterable[LockedFile]:
    """Return what the lock has with what is new.

    Raises:
        ConfigError: naming each file that it has with another hash.
    """
    files = {(file.role, file.source, file.file): file for file in known}
    hashes = {(file.source, file.file): file.sha256 for file in known}
    problems = []
    for file in now:
        then = hashes.get((file.source, file.file), file.sha256)
        if then != file.sha256:
            what = f"{file.file} has changed: its sha256 was {then} and is {file.sha256}; --update takes it as it is"
            problems.append(Problem(file.role, what))
        files[file.role, file.source, file.file] = file
    if problems:
        raise ConfigError(problems)
    return files.values()
