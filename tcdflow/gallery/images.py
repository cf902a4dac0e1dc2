"""The images of runs, one by one: each of several, what is lacking of them, and one for a run that has none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tcdflow.gallery.axes import Placed, derived, with_images
from tcdflow.gallery.data import Status
from tcdflow.gallery.find import Found
from tcdflow.gallery.runs import Run
from tcdflow.record.document import Output


@dataclass(frozen=True)
class Shown:
    """An image, or the place of one that is not there.

    Attributes:
        id: stays the same when the page is written again.
        run: that made it.
        number: in its run.
        seed: of its noise, if it is known.
        status: of the image.
        reason: why it is not there.
        output: its entry in the record; None if there is none.
        at: its position on each axis.
    """

    id: str
    run: Run
    number: int
    seed: int | None
    status: Status
    reason: str | None
    output: Output | None = None
    at: tuple[int, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers by name: its own, and those of its whole run."""
        run = self.run
        own = {name: values[self.number] for name, values in run.each.items() if self.number < len(values)}
        return {**run.metrics, **own}

    @property
    def path(self) -> str:
        """Where its file is."""
        assert self.output is not None
        return os.path.join(self.run.directory, self.output.file)  # noqa: PTH118  thousands of them


def images(found: Found) -> tuple[list[Placed], list[Shown]]:
    """Return the axes of what was found, and its images in order."""
    axes, places = (found.axes, found.places) if found.axes is not None else derived(found.runs)
    shown: list[Shown] = []
    of_runs: list[tuple[int, ...]] = []
    seen: set[str] = set()
    for run, place in zip(found.runs, places, strict=True):
        for one in _of_run(run):
            if one.id in seen:  # a run that was made twice
                one = replace(one, id=f"{one.id}-{_digest(os.fsencode(run.directory))[:6]}")
            seen.add(one.id)
            shown.append(one)
            of_runs.append(place)
    if found.axes is None or len(shown) > len(found.runs):
        placed, of_images = with_images(axes, of_runs, [one.seed for one in shown], [one.number for one in shown])
    else:
        placed, of_images = list(axes), of_runs
    return placed, [replace(one, at=at) for one, at in zip(shown, of_images, strict=True)]


def _of_run(run: Run) -> Iterator[Shown]:
    name = run.key or _digest(os.fsencode(run.directory.name))
    for number, output in enumerate(run.outputs):
        yield Shown(f"{name[:16]}-{number}", run, number, output.seed, "done", None, output)
    lacking = _lacking(run)
    for number, seed in enumerate(lacking, len(run.outputs)):
        status: Status = "missing" if run.status == "done" else run.status
        reason = run.reason or "its record lists no image"
        yield Shown(f"{name[:16]}-{number}", run, number, seed, status, reason)


def _lacking(run: Run) -> Sequence[int | None]:
    """Return the seeds of the images that a run has not; one for all where it has none."""
    seeds = run.seeds
    if not run.outputs:
        return seeds[:1] or [None]
    made = {output.seed for output in run.outputs}
    return [] if run.status == "done" else [seed for seed in seeds if seed not in made]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
