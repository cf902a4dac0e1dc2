"""The metrics of a run: measured while its images are in memory, and read by a sweeper."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean

from PIL import Image

from tcdflow.record import lockfile
from tcdflow.record.document import Record
from tcdflow.spec.metrics import METRICS, ExecutionMetric, ImageMetric, Scorer, Subject, metric_of, recorded_metrics
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweeps.scorers import Chosen, choose


def measured(record: Record, images: Sequence[Image.Image]) -> dict[str, float]:
    """Return the metrics that a record keeps, by name, in the order of their columns: means over the images.

    Args:
        record: of the run.
        images: of the run, in the order of their seeds; of animations the first frames.
    """
    subjects = _subjects(record, images)
    return {name: round(fmean(one.load(None)(subjects)), one.digits) for name, one in recorded_metrics().items()}


def asked(settings: SweepSpec) -> dict[str, str]:
    """Return the metrics of ``sweep.metric`` that no record keeps by itself, as words for a scorer, by name."""
    words = {}
    for name in settings.metric or ():
        metric = METRICS[name]
        if isinstance(metric, ImageMetric) and not metric.recorded:
            words[name] = f"{name}={settings.scorer}" if settings.scorer and metric.model else name
    return words


def measure(settings: SweepSpec, record: Record, images: Sequence[Image.Image], pinned: str | None = None) -> None:
    """Put the metrics of a run into its record: those that each keeps, and those of ``sweep.metric`` with their models.

    Args:
        settings: of the sweep.
        record: of the run.
        images: of the run, in the order of their seeds; of animations the first frames.
        pinned: lock file that the models are held to, if any.

    Raises:
        RequestError: if a model is not as pinned, or cannot be loaded.
        RunError: if it gives no numbers.
    """
    metrics = measured(record, images)
    for word in asked(settings).values():
        chosen = _chosen(word, pinned)
        scorer = _scorer(chosen, record.environment.get("device"))
        metrics[chosen.column] = round(fmean(scorer(_subjects(record, images))), chosen.metric.digits)
        files = {file.file: file.sha256 for file in chosen.files}
        record.execution.setdefault("scorers", {})[chosen.column] = {"source": chosen.source, "files": files}
    record.execution["metrics"] = metrics


def objectives(settings: SweepSpec, record: Record, pinned: str | None = None) -> list[float]:
    """Return the numbers of a finished run that a sweeper asks for, as :func:`measure` has put them there."""
    words = asked(settings)
    columns = {name: _chosen(word, pinned).column for name, word in words.items()}
    return [value(columns.get(name, name), record) for name in settings.metric or ()]


def value(column: str, record: Record) -> float:
    """Return a number of a finished run: computed from its record, or kept there."""
    metric = metric_of(column)
    if isinstance(metric, ExecutionMetric):
        return metric.measure(record.execution)
    return float(record.execution["metrics"][column])


def _chosen(word: str, pinned: str | None) -> Chosen:
    (chosen,) = choose([word], lambda done, total: None, "sweep.metric", lockfile.pins(pinned))
    return chosen


@lru_cache(maxsize=4)
def _scorer(chosen: Chosen, device: str | None) -> Scorer:
    """Return what measures; its model stays loaded from one job to the next while its files are the same."""
    return chosen.load(device)


def _subjects(record: Record, images: Sequence[Image.Image]) -> list[Subject]:
    return [Subject(image, record.spec["prompt"]) for image in images]
