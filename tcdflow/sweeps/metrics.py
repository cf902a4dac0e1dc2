"""The metrics of a run: measured while its images are in memory, and read by a sweeper."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from PIL import Image

from tcdflow.record.document import Record
from tcdflow.spec.metrics import METRICS, ExecutionMetric, Subject, recorded_metrics


def measured(record: Record, images: Sequence[Image.Image]) -> dict[str, float]:
    """Return the metrics that a record keeps, by name, in the order of their columns: means over the images.

    Args:
        record: of the run.
        images: of the run, in the order of their seeds; of animations the first frames.
    """
    subjects = subjects_of(record, images)
    return {name: round(fmean(one.load(None)(subjects)), one.digits) for name, one in recorded_metrics().items()}


def subjects_of(record: Record, images: Sequence[Image.Image]) -> list[Subject]:
    """Return the images of a run as metrics look at them."""
    return [Subject(image, record.spec["prompt"]) for image in images]


def value(name: str, record: Record) -> float:
    """Return the number of a finished run that a sweeper asks for."""
    metric = METRICS[name]
    if isinstance(metric, ExecutionMetric):
        return metric.measure(record.execution)
    return float(record.execution["metrics"][name])
