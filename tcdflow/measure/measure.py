"""Measures the images of runs: what is known of the same images is kept, and the rest computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from tcdflow.errors import RecordError
from tcdflow.evaluate.conditions import of_runs
from tcdflow.gallery.collect import still
from tcdflow.gallery.images import Shown
from tcdflow.gallery.measured import Measure, Measures, pixels_of
from tcdflow.gallery.runs import Run
from tcdflow.measure.against import Reference
from tcdflow.spec.metrics import Scorer, Subject
from tcdflow.sweeps.scorers import Chosen
from tcdflow.text import counted, first_line

_TOGETHER = 16
"""Images that a scorer looks at at once."""

OnDone = Callable[[str, int, int], None]
"""Is told of what, of how many images, how many are done."""


@dataclass
class Found:
    """What came of measuring with one metric; it grows while it is measured.

    Attributes:
        measures: the numbers, those that were known too.
        known: numbers that were there.
        left_out: why runs have no number, with how many.
    """

    measures: Measures
    known: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def computed(self) -> int:
        """Numbers that were measured now."""
        return sum(len(run.images) for run in self.measures.runs.values()) - self.known

    def warnings(self, column: str) -> list[str]:
        """Return what is to be known of it."""
        return [f"{column}: {counted(count, 'run')} left out: {why}" for why, count in self.left_out.items()]

    def leave_out(self, why: str) -> None:
        """Count a run that has no number."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


@dataclass(frozen=True)
class _Task:
    """A run that is to be measured, with the image that each of its images is held against."""

    run: Run
    images: Sequence[Shown]
    references: Sequence[Shown | None]
    measure: Measure

    def subjects(self) -> Iterator[Subject]:
        """Decode its images, one by one.

        Raises:
            RecordError: if one cannot be read, or is of another size than its reference.
        """
        prompt = str(json.loads(self.run.settings["prompt"]))
        for image, reference in zip(self.images, self.references, strict=True):
            own, other = still(image), still(reference) if reference is not None else None
            if other is not None and other.size != own.size:
                raise RecordError(f"of {_size(own.size)}, and the reference of {_size(other.size)}")
            yield Subject(own, prompt, other)


def measure(
    chosen: Chosen,
    images: Iterable[Shown],
    reference: Reference | None,
    before: Measures | None,
    found: Found,
    on_done: OnDone = lambda what, done, total: None,
) -> None:
    """Measure runs with one metric.

    Args:
        chosen: the metric.
        images: of the runs; those that are not there are left out.
        reference: that images are held against, where the metric needs one.
        before: what was measured earlier, whose numbers are kept where they are of the same images.
        found: takes the numbers one by one, so that an interrupt loses none.
        on_done: is told how far it is.

    Raises:
        RequestError: if the metric's model cannot be loaded.
        RunError: if it gives no numbers.
    """
    known = before if before is not None and before.identity == chosen.identity else None
    tasks = []
    for run, shown in _runs(images, reference):
        task = _task(run, shown, reference)
        if task is None:
            found.leave_out("the reference has no image of the prompt and seed")
        elif (same := _same(known, run, task.measure)) is not None:
            found.measures.put(run, same)
            found.known += len(same.images)
        else:
            tasks.append(task)
    total = sum(len(task.images) for task in tasks)
    if tasks:
        scorer, done = chosen.load(), 0
        for some in _batches(tasks):
            _score(some, scorer, chosen.metric.digits, found)
            done += sum(len(task.images) for task in some)
            on_done(chosen.column, done, total)


def _score(tasks: Sequence[_Task], scorer: Scorer, digits: int, found: Found) -> None:
    """Measure some runs together."""
    readable, subjects = [], []
    for task in tasks:
        try:
            own = list(task.subjects())
        except RecordError as error:
            found.leave_out(first_line(error))
            continue
        readable.append(task)
        subjects += own
    numbers = iter(scorer(subjects) if subjects else ())
    for task in readable:
        values = [round(one, digits) for one in islice(numbers, len(task.images))]
        found.measures.put(task.run, task.measure.model_copy(update={"images": values}))


def _runs(images: Iterable[Shown], reference: Reference | None) -> Iterator[tuple[Run, list[Shown]]]:
    """Yield the runs that have all their images, the same images of one key once, and none of the reference itself."""
    directories: dict[str, list[Shown]] = {}
    for image in of_runs(images):
        if image.run.key is not None and image.output is not None:
            directories.setdefault(str(image.run.directory), []).append(image)
    seen = set()
    for shown in directories.values():
        run = shown[0].run
        name = (run.key, pixels_of(run.outputs))
        if name not in seen and (reference is None or not all(map(reference.holds, shown))):
            seen.add(name)
            yield run, shown


def _task(run: Run, images: Sequence[Shown], reference: Reference | None) -> _Task | None:
    """Return what is to be measured of a run; None if an image has no reference."""
    measure = Measure(pixels=pixels_of(run.outputs), images=[])
    if reference is None:
        return _Task(run, images, [None] * len(images), measure)
    held = [reference.of(image) for image in images]
    outputs = [one.output for one in held if one is not None and one.output is not None]
    if len(outputs) < len(images):
        return None
    keys = [one.run.key if one is not None else None for one in held]
    return _Task(run, images, held, measure.model_copy(update={"reference": keys, "against": pixels_of(outputs)}))


def _same(before: Measures | None, run: Run, wanted: Measure) -> Measure | None:
    """Return what is known of a run, if it is of the same images held against the same ones."""
    known = before.of(run) if before is not None else None
    if known is None or known.against != wanted.against or not known.is_sound:
        return None
    return known.model_copy(update={"reference": wanted.reference})


def _batches(tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
    """Yield runs together whose images are about as many as a scorer looks at at once."""
    some: list[_Task] = []
    for task in tasks:
        some.append(task)
        if sum(len(one.images) for one in some) >= _TOGETHER:
            yield some
            some = []
    if some:
        yield some


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def empty(chosen: Chosen, reference: Reference | None) -> Measures:
    """Return the place for the numbers of a metric: what it is measured with."""
    return Measures(
        identity=chosen.identity,
        source=chosen.source,
        files=list(chosen.files),
        against=list(reference.said) if reference is not None else None,
        runs={},
    )
