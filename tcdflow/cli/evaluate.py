"""``tcdflow evaluate DIR ...``: compare what sweeps have made, by numbers with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.warn import warn
from tcdflow.spec.paths import at_home

EXAMPLES = (
    (
        "tcdflow evaluate outputs/sweeps/steps --reference outputs/sweeps/teacher",
        "each condition's Fréchet distance from the teacher's images, over seed sets",
    ),
    (
        "tcdflow evaluate outputs/all --reference outputs/all scheduler.name=ddim sampling.steps=16 --features pixels",
        "from some of the images themselves, on their colours",
    ),
)
_ABOUT = """\
Compare LoRAs, steps, etas, schedulers: what the runs of directories differ in beside prompt and seed. Each condition is
measured on the same prompts, in as many sets as there are seeds, so that the spread over sets shows how much is chance;
those of as many UNet calls stand together. Writes evaluation.json and evaluation.csv into DIR; tcdflow gallery shows
the numbers beside the images."""


def parser() -> Arguments:
    """Return the parser of its arguments."""
    from tcdflow.spec.features import FEATURES

    parser = Arguments("evaluate", _ABOUT, EXAMPLES)
    parser.add_argument("directories", nargs="*", type=Path, metavar="DIR", help="directory of a sweep, or of several")
    parser.add_argument(
        "--reference",
        nargs="+",
        metavar="DIR",
        help="images that are right: of runs, of which KEY=VALUE chooses, or a folder, whose captions are those of "
        "data=folder",
    )
    parser.add_argument(
        "--features",
        nargs="+",
        known=FEATURES,
        metavar="NAME",
        help="what distances are computed on: efficientnet (the default), pixels, a vision model by hub id or folder",
    )
    parser.add_argument(
        "--over", nargs="+", default=[], metavar="KEY", help="what varies with the prompt, such as an input image"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go; needed with several DIR")
    return parser


def main(argv: Sequence[str]) -> int:
    """Evaluate, write the files, and print the table."""
    reader = parser()
    args = reader.read(argv)
    if not args.directories:
        reader.error("name what is to be compared: directories of sweeps")
    if args.features and not args.reference:
        reader.error("--features has no effect without --reference")
    directories = [at_home(str(path)) for path in args.directories]
    if args.output is None and len(directories) > 1:
        reader.error("--output is needed with several directories: it says where evaluation.json goes")
    output = directories[0] if args.output is None else at_home(str(args.output))

    from tcdflow.cli.count_bar import CountBar
    from tcdflow.cli.files import DownloadBar
    from tcdflow.evaluate import features, reference, report
    from tcdflow.evaluate.conditions import compared
    from tcdflow.evaluate.evaluation import evaluate
    from tcdflow.gallery.collect import collect
    from tcdflow.text import printable

    collected = collect(directories)
    warn(collected.notes)
    conditions = compared(collected.images, args.over)
    held, chosen = None, []
    if args.reference:
        held = reference.read(args.reference)
        with DownloadBar() as download:
            chosen = features.choose(args.features or [features.default()], download.progress)
    with CountBar() as bar:
        found = evaluate(conditions, held, chosen, bar.show)
    warn(found.warnings)
    written = report.write(found, directories, output)
    print("\n".join(report.lines(found)))
    print(printable(str(written)))
    return 0
