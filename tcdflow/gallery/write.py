"""Writes a page: ``index.html`` with its data, thumbnails in ``.thumbs/``, a row an image in ``images.csv``."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.gallery import ratings as rated
from tcdflow.gallery import rows
from tcdflow.gallery.beside import with_numbers
from tcdflow.gallery.build import build
from tcdflow.gallery.find import Found, find
from tcdflow.gallery.images import images
from tcdflow.gallery.page.html import html
from tcdflow.gallery.ratings import Ratings
from tcdflow.gallery.thumbnails import FOLDER, Look, Thumbnails
from tcdflow.record.atomic import remove_abandoned, write_text
from tcdflow.sweeps.directory import is_running

INDEX = "index.html"
MARK = b'content="tcdflow gallery"'
_START = 2_000
"""Bytes of a page in which its mark stands."""


@dataclass(frozen=True)
class Written:
    """What was written: the page, how many images it shows and how many it cannot, and what a person should be told."""

    page: Path
    shown: int
    lacking: int
    notes: list[str]


def gallery(directories: Sequence[Path], output: Path | None = None, ratings: Path | None = None) -> Written:
    """Write the page of runs and sweeps.

    Args:
        directories: of runs or sweeps, or with several below.
        output: a directory, or the ``.html`` file; None for ``index.html`` in the only directory.
        ratings: a file to merge into the ``ratings.json`` beside the page.

    Raises:
        ConfigError: if there are several directories and no output, or another page is in the way.
        RecordError: if there is nothing to show, or the ratings are none.
        OutputError: if something cannot be written.
    """
    page = target(directories, output)
    check(page)
    found = find(directories)
    kept = rated.of_directory(page.parent)
    if ratings is not None:
        kept = kept.with_(rated.read(ratings))
    writer = Writer(page)
    running = len(directories) == 1 and page.parent == directories[0] and is_running(directories[0])
    return writer.write(found, kept, running=running, merged=ratings)


def target(directories: Sequence[Path], output: Path | None) -> Path:
    """Return the page's path.

    Raises:
        ConfigError: if it is not known.
    """
    if output is not None:
        return output if output.suffix.lower() in (".html", ".htm") else output / INDEX
    if len(directories) > 1:
        what = "is needed with several directories: it says where the page goes, such as --output outputs/compare"
        raise ConfigError([Problem("--output", what)])
    return directories[0] / INDEX


def check(page: Path) -> None:
    """Say so if another page is there, which is not ours to replace.

    Raises:
        ConfigError: if it is.
    """
    try:
        mode = page.lstat().st_mode
        ours = False
        if stat.S_ISREG(mode):
            with page.open("rb") as file:
                ours = MARK in file.read(_START)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise OutputError.of(page, error, "read") from error
    if not ours:
        what = "is there already and no gallery of tcdflow; move it away, or choose another place by --output"
        raise ConfigError([Problem("gallery", what, str(page))])


class Writer:
    """Writes one page, as often as it changes.

    Args:
        page: its path.
    """

    def __init__(self, page: Path) -> None:
        self.page = page
        self._thumbnails = Thumbnails(page.parent / FOLDER)

    def write(
        self,
        found: Found,
        ratings: Ratings,
        *,
        running: bool = False,
        seconds: float | None = None,
        merged: Path | None = None,
    ) -> Written:
        """Write the page, and the table of its images.

        Args:
            found: what it shows.
            ratings: of its images.
            running: whether a sweep is under way: the page then reloads itself.
            seconds: that thumbnails may take; None makes all.
            merged: the file that ratings were merged from; they are then kept beside the page.

        Raises:
            RecordError: if ratings that were merged are of other images.
            OutputError: if something cannot be written.
        """
        folder = self.page.parent
        runs, unread = with_numbers(found.runs, folder)
        axes, shown = images(replace(found, runs=runs))
        notes = [*found.notes, *unread]
        if merged is not None:
            note = rated.check(ratings, merged, {image.id for image in shown})
            notes += [note] if note else []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError.of(folder, error, "made") from error
        remove_abandoned(folder)
        looks = self._thumbnails.look([image for image in shown if image.output is not None], seconds)
        data = build(axes, shown, looks, ratings, folder=folder, identity=found.identity, running=running)
        if merged is not None:
            ratings.write(folder)
        if seconds is None or not running:
            rows.write(folder, data, shown, ratings)
        write_text(self.page, html(data), durable=False)
        done = sum(cell["file"] is not None for cell in data["cells"])
        return Written(self.page, done, len(data["cells"]) - done, notes)


def table(found: Found, folder: Path, ratings: Ratings) -> None:
    """Write the table of images alone, as their records have them.

    Raises:
        OutputError: if it cannot be written.
    """
    axes, shown = images(replace(found, runs=with_numbers(found.runs, folder)[0]))
    looks = {image.path: Look(None) for image in shown if image.output is not None}
    data = build(axes, shown, looks, ratings, folder=folder, identity=found.identity)
    rows.write(folder, data, shown, ratings)
