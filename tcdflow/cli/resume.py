"""``tcdflow resume DIR``: run the rest of a sweep or distillation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.flags import FETCH
from tcdflow.cli.sweep import Terminal, process, report
from tcdflow.config.permission import ALLOW_PICKLE, permitted
from tcdflow.errors import RecordError
from tcdflow.multirun import planned
from tcdflow.multirun.launcher import Launcher
from tcdflow.record.data import is_directory
from tcdflow.record.document import is_distillation
from tcdflow.spec.paths import is_there
from tcdflow.text import about, one_line

EXAMPLES = (
    ("tcdflow resume outputs/sweeps/demo", "run the cells that are not done"),
    ("tcdflow resume outputs/sweeps/demo --retry-failed", "run those that failed again, too"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    meaning = (
        "Finish an interrupted sweep from its frozen plan, or a distillation from its latest checkpoint. Configs are "
        "not read again; what is done stays."
    )
    parser = Arguments("resume", meaning, EXAMPLES)
    parser.add_argument("directory", type=Path, metavar="DIR", help="directory of a sweep or distillation")
    parser.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    parser.add_argument(*FETCH[0], **FETCH[1], help=FETCH[2])
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="OVERRIDE",
        help=f"hydra/launcher=ray and its settings, which no plan holds; {ALLOW_PICKLE}=true for pickled weights",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Finish a sweep."""
    args = parser().read(argv)
    allow_pickle, others = permitted(args.overrides)
    if is_there(args.directory) and not is_directory(args.directory):
        raise RecordError(about(args.directory, "is a file; name the directory that it lies in"))
    if not is_directory(args.directory):
        raise RecordError(f"sweep directory not found: {one_line(str(args.directory))}")
    if is_distillation(args.directory):
        from tcdflow.cli.distill import resume

        return resume(args.directory, others, retry_failed=args.retry_failed, pickles=allow_pickle, fetch=args.fetch)
    launcher = Launcher.alone(others)
    done = planned.resume(
        args.directory,
        launcher,
        process(),
        Terminal(),
        retry_failed=args.retry_failed,
        pickles=allow_pickle,
        fetch=args.fetch,
    )
    return report(done)
