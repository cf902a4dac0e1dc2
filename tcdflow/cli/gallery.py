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
    ("tcdflow gallery outputs --ratings ~/Downloads/ratings.json", "all runs below, with what was rated on the page"),
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
    return parser


def main(argv: Sequence[str]) -> int:
    """Write a page, and print its path."""
    reader = parser()
    args = reader.read(argv)
    if not args.directories:
        reader.error("name what is to be shown: directories of runs or sweeps")
    from tcdflow.gallery.write import gallery

    output, ratings = (None if path is None else at_home(str(path)) for path in (args.output, args.ratings))
    written = gallery([at_home(str(path)) for path in args.directories], output, ratings)
    warn(written.notes[:_SHOWN])
    if len(written.notes) > _SHOWN:
        warn([f"... and {len(written.notes) - _SHOWN} more of the kind"])
    print(printable(str(written.page)))
    lacking = f", {written.lacking} not there: the page says why" if written.lacking else ""
    print(f"{counted(written.shown, 'image')}{lacking}", file=sys.stderr)
    return 0
