"""``tcdflow track DIR tracker=mlflow``: tell a tracker of what is done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.warn import warn
from tcdflow.config import personal
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, Problem, RecordError
from tcdflow.record.data import is_directory
from tcdflow.spec.paths import at_home
from tcdflow.spec.tracker import Tracking
from tcdflow.text import counted, one_line, printable
from tcdflow.tracking.follow import described, remembered, track

EXAMPLES = (
    ("tcdflow track outputs/sweeps/demo tracker=tensorboard", "a sweep that was made without"),
    ("tcdflow track outputs tracker=mlflow tracker.mlflow.experiment=eta", "all that there is, as one experiment"),
)
_ABOUT = """\
Tell trackers of the runs and distillations that are done in and below DIR, each once, from its record: settings,
metrics, seconds, images with captions, the record itself. See docs/tracking.md."""


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = Arguments("track", _ABOUT, EXAMPLES)
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="directory of a run or sweep, or with several below"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="tracker=NAME, 'tracker=[NAME,NAME]', tracker.NAME.KEY=VALUE"
    )
    parser.add_argument(
        "--config-dir", "-cd", metavar="DIR", help="a directory laid out like conf/ with your own YAMLs"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Tell the trackers, and say how many runs were new to each."""
    args = parser().read(argv)
    directory = at_home(str(args.directory))
    if not is_directory(directory):
        raise RecordError(f"directory not found: {one_line(str(directory))}")
    tracking = _chosen(directory, args.overrides, args.config_dir)
    if not tracking.tracker:
        raise ConfigError([Problem("tracker", "must be given: tracker=tensorboard, tracker=mlflow or tracker=wandb")])
    status = 0
    for name, report in track(directory, tracking).items():
        if report is None or report.failed:
            warn([described(name, report) or f"tracker.{name} ended without an answer; TCDFLOW_DEBUG=1 shows why"])
            status = 1
        if report is not None:
            look = tracking.tracker[name].look(directory)
            print(f"{name}: {counted(report.logged, 'new run')}; look: {printable(look)}", file=sys.stderr)
    return status


def _chosen(directory: Path, overrides: Sequence[str], config_dir: str | None) -> Tracking:
    """Return the trackers that overrides choose, else those that the directory has, else the personal defaults'."""
    other = [text for text in overrides if not text.lstrip("+~").startswith(("tracker=", "tracker."))]
    if other:
        what = "has no effect on what is done; tracker=NAME chooses a tracker"
        raise ConfigError([Problem(text.partition("=")[0], what, origin=text) for text in other])
    if not overrides and (found := remembered(directory)).tracker:
        return found
    return Composer(config_dir, personal=personal.find()).draft(overrides).tracking
