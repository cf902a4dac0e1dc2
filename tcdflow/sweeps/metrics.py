"""The metrics of a run: measured while its images are in memory, and read by a sweeper."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from tcdflow.record.document import Record
from tcdflow.spec.metrics import METRICS, Measurable, recorded_metrics


def measured(record: Record, images: Sequence[Image.Image]) -> dict[str, float]:
    """Return the metrics that a record keeps, by name, in the order of their columns.

    Args:
        record: of the run.
        images: of the run, in the order of their seeds.
    """
    run = Measurable(images, [record.spec["prompt"]] * len(images), record.execution)
    return {name: round(metric.measure(run), metric.digits) for name, metric in recorded_metrics().items()}


def value(name: str, record: Record) -> float:
    """Return the number of a finished run that a sweeper asks for."""
    metric = METRICS[name]
    if metric.needs_images:
        return float(record.execution["metrics"][name])
    return metric.measure(Measurable((), (), record.execution))
