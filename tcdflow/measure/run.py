"""``tcdflow measure`` as a whole: what is asked for, measured, kept in ``measures.json`` and shown as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tcdflow._version import __version__
from tcdflow.errors import ConfigError, Problem, RecordError
from tcdflow.evaluate import report as evaluated
from tcdflow.evaluate.conditions import check_over, compared, of_runs
from tcdflow.evaluate.evaluation import evaluate
from tcdflow.files.resolve import Progress
from tcdflow.gallery.collect import collect
from tcdflow.gallery.measured import FILE_NAME, Measures, MeasuresFile, read
from tcdflow.measure import against
from tcdflow.measure.against import Reference
from tcdflow.measure.measure import Found, OnDone, empty, measure
from tcdflow.record.atomic import write_text
from tcdflow.results.results import Results
from tcdflow.spec.metrics import METRICS, ImageMetric, metric_of
from tcdflow.sweeps.scorers import Chosen, choose, known_metrics
from tcdflow.text import first_line


@dataclass(frozen=True)
class Request:
    """What is to be measured, right as far as can be said before anything is loaded. Use :meth:`of`.

    Attributes:
        directory: of the runs.
        words: metrics, as they were written.
        results: the images there.
        reference: that they are held against; None where no metric needs one.
        over: further keys that vary with the prompt.
        before: what was measured there already, by column.
    """

    directory: Path
    words: Sequence[str]
    results: Results
    reference: Reference | None
    over: Sequence[str]
    before: Mapping[str, Measures]

    @classmethod
    def of(cls, directory: Path, words: Sequence[str], said: Sequence[str] | None, over: Sequence[str] = ()) -> Self:
        """Read what is there.

        Args:
            directory: of the runs.
            words: metrics.
            said: what chooses the reference; None if nothing does.
            over: further keys that vary with the prompt.

        Raises:
            ConfigError: if a metric is not known, one needs a reference and there is none, or the other way round.
            RecordError: if there is no image.
        """
        known_metrics(words)
        needing = [word for word in words if _needs_reference(word)]
        if needing and said is None:
            what = (
                f"must be given for {', '.join(needing)}: a condition to hold images against, such as sampling.steps=50"
            )
            raise ConfigError([Problem(against.KEY, what)])
        if said is not None and not needing:
            having = [name for name in METRICS if _needs_reference(name)]
            what = f"has no effect on {', '.join(words)}; metrics that need a reference are {', '.join(having)}"
            raise ConfigError([Problem(against.KEY, what)])
        results = Results.of([directory])
        images = of_runs(image.shown for image in results)
        check_over(images, over)
        if not any(image.output is not None for image in images):
            raise RecordError(f"{directory}: there is no image of a run to measure")
        reference = against.read(said, results, over) if said and needing else None
        before = read(directory)
        return cls(directory, words, results, reference, over, before.measures if before else {})

    def chosen(self, progress: Progress) -> list[Chosen]:
        """Return the metrics with their models, which are downloaded.

        Raises:
            ConfigError: naming each that is wrong.
        """
        return choose(self.words, progress)


def measured(request: Request, chosen: Sequence[Chosen], on_done: OnDone) -> dict[str, Found]:
    """Measure, and write the file after each metric, and when it is interrupted.

    Returns:
        what came of each metric, by column.

    Raises:
        RequestError: if a model cannot be loaded.
        OutputError: if the file cannot be written.
    """
    images = [image.shown for image in request.results]
    found: dict[str, Found] = {}
    measures = dict(request.before)
    for one in chosen:
        reference = request.reference if one.metric.needs_reference else None
        now = found[one.column] = Found(empty(one, reference))
        try:
            measure(one, images, reference, request.before.get(one.column), now, on_done)
        finally:
            if now.measures.runs:
                measures[one.column] = now.measures
                _write(request.directory, measures)
    return found


def report(request: Request, columns: Sequence[str]) -> tuple[list[str], list[str], Path]:
    """Return a table of the numbers for the terminal, what is to be known of it, and the path of the file."""
    path = request.directory / FILE_NAME
    try:
        conditions = compared(collect([request.directory]).images, request.over)
    except RecordError as error:  # no prompt is in all of them
        return [], [f"no table: {first_line(error)}"], path
    table = evaluate(conditions, None, ())
    return list(evaluated.lines(table, columns)), list(table.warnings), path


def _needs_reference(word: str) -> bool:
    metric = metric_of(word.partition("=")[0])
    return isinstance(metric, ImageMetric) and metric.needs_reference


def _write(directory: Path, measures: dict[str, Measures]) -> None:
    file = MeasuresFile(kind="measures", tcdflow=__version__, measures=measures)
    text = file.model_dump_json(exclude_defaults=True, exclude_none=True)
    write_text(directory / FILE_NAME, text + "\n")
