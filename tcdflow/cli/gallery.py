"""``tcdflow gallery DIR ...``: write the page to look at runs and sweeps with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.warn import warn
from tcdflow.spec.paths import at_home
from tcdflow.text import counted, printable

_SHOWN = 20


EXAMPLES = (
    ("tcdflow gallery outputs/sweeps/demo", "write index.html there, to be opened in a browser, and images.csv"),
    (
        "tcdflow gallery outputs/sweeps/demo --sheet x=sampling.eta y=prompt sampling.seed=0",
        "write sweep.png there: a labelled sheet for a paper",
    ),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    about = (
        "Write the page to look at runs and sweeps with: one file, offline, that links their images. Beside it stand "
        "thumbnails (.thumbs/) and a table with a row for each image (images.csv, images.jsonl)."
    )
    parser = Arguments("gallery", about, EXAMPLES)
    parser.add_argument(
        "directories", nargs="*", type=Path, metavar="DIR", help="directory of a run, of a sweep, or with several below"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the page goes, or its name (.html); needed with several DIR"
    )
    parser.add_argument(
        "--ratings", type=Path, metavar="FILE", help="a ratings.json that the page has exported, to be merged and kept"
    )
    parser.add_argument(
        "--sheet",
        nargs="*",
        metavar="KEY=VALUE",
        help="write sheets for papers (sweep.png), no page: x=KEY across, y=KEY down; KEY=VALUE chooses of what else "
        "varies, and each value that is left is a further sheet",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Write a page, and print its path."""
    reader = parser()
    args = reader.read(argv)
    if not args.directories:
        reader.error("name what is to be shown: directories of runs or sweeps")
    from tcdflow.gallery.write import gallery

    directories = [at_home(str(path)) for path in args.directories]
    output, ratings = (None if path is None else at_home(str(path)) for path in (args.output, args.ratings))
    if args.sheet is not None:
        if ratings is not None:
            reader.error("--ratings has no effect with --sheet")
        return _sheets(directories, output, args.sheet)
    written = gallery(directories, output, ratings)
    _notes(written.notes)
    print(printable(str(written.page)))
    lacking = f", {written.lacking} not there: the page says why" if written.lacking else ""
    print(f"{counted(written.shown, 'image')}{lacking}", file=sys.stderr)
    return 0


def _sheets(directories: Sequence[Path], output: Path | None, words: Sequence[str]) -> int:
    from tcdflow.gallery.collect import collect
    from tcdflow.gallery.sheets import View, write
    from tcdflow.gallery.write import target

    view = View.parse(words)
    folder = target(directories, output).parent
    collected = collect(directories)
    _notes(collected.notes)
    paths = write(collected, folder, view)
    for path in paths:
        print(printable(str(path)))
    lacking = sum(image.output is None for image in collected.images)
    said = f"; {lacking} of {counted(len(collected.images), 'image')} not there" if lacking else ""
    print(f"{counted(sum(path.suffix == '.png' for path in paths), 'sheet')}{said}", file=sys.stderr)
    return 0


def _notes(notes: Sequence[str]) -> None:
    warn(notes[:_SHOWN])
    if len(notes) > _SHOWN:
        warn([f"... and {len(notes) - _SHOWN} more of the kind"])
