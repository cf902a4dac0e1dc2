"""``tcdflow measure DIR METRIC ...``: measure the images that are there, against prompts or reference images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.warn import warn
from tcdflow.spec.paths import at_home

EXAMPLES = (
    (
        "tcdflow measure outputs/sweeps/steps psnr ssim --against outputs/sweeps/teacher sampling.steps=16",
        "hold each image against the teacher's of equal prompt and seed",
    ),
    (
        "tcdflow measure outputs/sweeps/steps complexity sharpness",
        "describe each image by itself; clip and pickscore hold it against its prompt",
    ),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    from tcdflow.spec.metrics import METRICS
    from tcdflow.sweeps.scorers import image_metrics

    listed = "\n".join(f"  {name:<11}{METRICS[name].description}" for name in image_metrics())
    about = (
        "Measure the images of a run, of a sweep, or of all below a directory. The numbers go into\n"
        "measures.json there, for the gallery, tcdflow.load, images.csv, show and evaluate; records stay as\n"
        f"they are. Measuring again computes what is missing. See docs/measure.md.\n\nmetrics:\n{listed}"
    )
    parser = Arguments("measure", about, EXAMPLES)
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="directory of runs")
    parser.add_argument(
        "metrics", nargs="*", known=image_metrics(), metavar="METRIC", help="NAME, or NAME=MODEL: a hub id or folder"
    )
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="KEY=VALUE",
        help="settings that one condition has, whose images are the reference; DIR before them names other runs",
    )
    parser.add_argument(
        "--over", nargs="+", default=[], metavar="KEY", help="what varies with the prompt, such as an input image"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Measure, write the file, and print the table."""
    reader = parser()
    args = reader.read(argv)
    from tcdflow.sweeps.scorers import image_metrics
    from tcdflow.text import any_of

    if args.directory is None:
        reader.error("name a directory of runs, then metrics")
    if not args.metrics:
        reader.error(f"name what is to be measured: {any_of(image_metrics())}")
    directory = at_home(str(args.directory))

    from tcdflow.cli.count_bar import CountBar
    from tcdflow.cli.files import DownloadBar
    from tcdflow.measure.run import Request, measured, report
    from tcdflow.text import counted, printable

    request = Request.of(directory, args.metrics, args.against, args.over)
    with DownloadBar() as download:
        chosen = request.chosen(download.progress)
    with CountBar() as bar:
        found = measured(request, chosen, bar.show)
    for column, one in found.items():
        warn(one.warnings(column))
    lines, warnings, path = report(request, list(found))
    warn(warnings)
    print("\n".join(lines))
    kept = sum(one.known for one in found.values())
    said = f"{counted(sum(one.computed for one in found.values()), 'number')} measured"
    print(f"{said}, {kept} kept" if kept else said, file=sys.stderr)
    print(printable(str(path)))
    return 0
