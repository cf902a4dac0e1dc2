"""``tcdflow rerun PATH [OVERRIDE ...] [--verify]``: make a recorded run again, and compare."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.engines import engine, preparer
from tcdflow.cli.files import DownloadBar
from tcdflow.cli.flags import FETCH
from tcdflow.cli.made import tell
from tcdflow.cli.run import summary
from tcdflow.cli.signals import interrupted
from tcdflow.cli.warn import tell_seeds, warn
from tcdflow.config.permission import permitted
from tcdflow.config.run_output import RunOutput
from tcdflow.config.seeds import RandomSeeds
from tcdflow.config.vary import split, vary
from tcdflow.errors import ConfigError, Problem, TcdflowError
from tcdflow.files.images import is_url
from tcdflow.request.prepare import prepare
from tcdflow.request.request import Prepared, Request
from tcdflow.rerun.source import Recorded, find, is_sweep
from tcdflow.spec.paths import at_home, is_there
from tcdflow.text import counted, printable

if TYPE_CHECKING:
    from tcdflow.engine.result import Result
    from tcdflow.rerun.verify import Verified

_SHOWN = 5


EXAMPLES = (
    ("tcdflow rerun outputs/fox --verify", "make a run again and compare pixels: exit status 0 if they are identical"),
    ("tcdflow rerun outputs/fox/000.png sampling.seed=3", "make a variation of an image, from its metadata alone"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    about = "Make a recorded run again from its own spec, with the same files, whose hashes are checked first."
    parser = Arguments("rerun", about, EXAMPLES)
    parser.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="run directory, run.json or image; with --verify a sweep too"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="OVERRIDE",
        help="key=value makes a variation; hydra.run.dir=DIR says where to write",
    )
    parser.add_argument("--verify", action="store_true", help="compare pixels: exit status 0 if they are identical")
    parser.add_argument(*FETCH[0], **FETCH[1], help=FETCH[2])
    parser.add_argument("--sample", type=int, metavar="N", help="of a sweep, verify N cells: the same ones each time")
    return parser


def main(argv: Sequence[str]) -> int:
    """Make a recorded run again from its own spec, with the same files."""
    args = _parse(argv)
    allow_pickle, overrides = permitted(args.overrides)
    changes, where = split(overrides)
    if args.verify and is_sweep(args.path):
        if overrides:
            raise ConfigError([Problem("rerun", "a sweep is verified as it is, without overrides", overrides[0])])
        return _sweep(args.path, args.sample, allow_pickle=allow_pickle, fetch=args.fetch)
    recorded = find(args.path) if args.sample is None or not is_there(args.path) else None
    if recorded is None:
        raise ConfigError([Problem("--sample", "requires --verify and the directory of a sweep", args.sample)])
    spec = vary(recorded.spec, changes)
    tell_seeds(spec.sampling.seeds if any(map(RandomSeeds.asked, changes)) else ())
    request = recorded.request(spec, allow_pickle=allow_pickle, fetch=args.fetch, overrides=args.overrides)
    if args.verify and not where:
        return _verify(recorded, request)
    _keep_the_original(recorded, where)
    result = _rerun(recorded, request, where)
    if not args.verify:
        return 0
    from tcdflow.rerun.verify import judge

    return _report(judge(recorded, result.directory, result.record), recorded)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    reader = parser()
    args = reader.read(argv)
    if args.path is None:
        raise ConfigError([Problem("rerun", "name what is to be made again: a run directory, a run.json or an image")])
    if args.sample is not None and args.sample < 1:
        reader.error(f"argument --sample: must be at least 1, not {args.sample}")
    return args


def _keep_the_original(recorded: Recorded, where: Sequence[str]) -> None:
    target = at_home(where[-1].partition("=")[2].strip("'\"")) if where else None
    own = {expected.file.parent.resolve() for expected in recorded.outputs} | {recorded.path.resolve()}
    if target is not None and target.resolve() in own:
        what = "holds the run that is made again, which it would replace; choose another directory"
        raise ConfigError([Problem("hydra.run.dir", what, str(target))])


def _rerun(recorded: Recorded, request: Request, where: Sequence[str]) -> Result:
    from tcdflow.cli.progress import StepBar
    from tcdflow.request.run import directory_warnings, run_single

    start = time.perf_counter()
    output = RunOutput.alone(where)
    prepared = _prepared(recorded, request)
    warn([*prepared.warnings, *directory_warnings(output, prepared)])
    with StepBar(len(prepared.spec.sampling.seeds)) as bar:
        made_by = engine(reusable=False)
        result = run_single(prepared, output, made_by, bar.step)
    warn(result.record.warnings[len(prepared.warnings) :])
    tell(result.paths)
    print(summary(result, time.perf_counter() - start), file=sys.stderr)
    return result


def _verify(recorded: Recorded, request: Request) -> int:
    from tcdflow.cli.progress import StepBar
    from tcdflow.rerun.verify import comparable, verify

    comparable(recorded)
    prepared = _prepared(recorded, request)
    with StepBar(len(prepared.spec.sampling.seeds)) as bar:
        made_by = engine(reusable=False)
        verified = verify(recorded, prepared, made_by, bar.step)
    return _report(verified, recorded)


def _prepared(recorded: Recorded, request: Request) -> Prepared:
    with DownloadBar() as bar:
        try:
            return prepare(request, bar.progress, preparer())
        except ConfigError as error:
            gone = set(_gone(recorded, request))
            problems = [_with_hint(recorded, one) if one.key in gone else one for one in error.problems]
            raise ConfigError(problems) from None


def _gone(recorded: Recorded, request: Request) -> Iterator[str]:
    """Yield the keys of folders and files that were read then and are not there now."""
    local = {file.source for file in recorded.lock if file.revision is None and not is_url(file.source)}
    for need in request.spec.needs():
        if need.source in local and not at_home(need.source.removeprefix("file://")).exists():
            yield need.key


def _with_hint(recorded: Recorded, problem: Problem) -> Problem:
    hint = f"where it was moved to is named by {problem.key}=PATH"
    if used := recorded.used_image(problem.key):
        hint += f", and the image as that run used it by {shlex.quote(f'{problem.key}={used}')}"
    return replace(problem, what=f"{problem.what}; {hint}")


def _report(verified: Verified, recorded: Recorded) -> int:
    for verdict in verified.verdicts:
        print(printable(f"{verdict.name}: {verdict.text}"))
    if verified.identical:
        return 0
    _tell_why(verified)
    if recorded.record is None:
        print("an image alone does not say on which device, versions and threads it was made; its run.json does")
    return 1


def _tell_why(verified: Verified) -> None:
    if not verified.suspects:
        print("nothing that was recorded differs between then and now")
        return
    print("what differs between then and now, likeliest reason first:")
    for line in verified.suspects:
        print(printable(f"  {line}"))


def _sweep(directory: Path, size: int | None, *, allow_pickle: bool, fetch: bool) -> int:
    from tcdflow.rerun.cells import sample, verify_cells

    cells, undone = sample(directory, size, _planned(directory))
    unlike: list[Verified] = []
    for verified in verify_cells(cells, engine(reusable=True), interrupted, allow_pickle=allow_pickle, fetch=fetch):
        if not verified.identical:
            unlike.append(verified)
            if len(unlike) <= _SHOWN:
                print(printable(f"{Path(verified.name).name}: {_first(verified)}"))
    if len(unlike) > _SHOWN:
        print(f"... and {len(unlike) - _SHOWN} more")
    first = next((verified for verified in unlike if verified.failed is None), None)
    if first is not None:
        _tell_why(first)
    failed = sum(verified.failed is not None for verified in unlike)
    counts = {"different": len(unlike) - failed, "could not be compared": failed, "not done": undone}
    more = "".join(f", {count} {what}" for what, count in counts.items() if count or what == "different")
    print(f"{counted(len(cells), 'cell')}: {len(cells) - len(unlike)} identical{more}")
    return 1 if unlike else 0


def _planned(directory: Path) -> int:
    """Return how many cells the plan of a sweep has; none if there is no plan, or one that cannot be read."""
    from tcdflow.sweeps import plan as plans

    try:
        return len(plans.read(directory).cells)
    except TcdflowError:
        return 0


def _first(verified: Verified) -> str:
    return verified.failed or next(verdict.text for verdict in verified.verdicts if not verdict.identical)
