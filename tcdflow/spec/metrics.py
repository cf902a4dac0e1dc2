"""Metrics, as parts: numbers of runs and images that results list and sweepers optimize, and the registry of them.

A metric is one file below ``tcdflow.parts.metrics``. Its name is then allowed in ``tcdflow measure``, and in
``sweep.metric`` unless it needs a reference; records, results and the gallery follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tcdflow.spec.registry import Registry

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Subject:
    """An image that is measured.

    Attributes:
        image: RGB; of an animation the frame in its middle, or the first while a run is recorded.
        prompt: that it was made from.
        reference: the image that it is held against, RGB and of the same size; None for a metric that needs none.
    """

    image: Image.Image
    prompt: str
    reference: Image.Image | None = None


Scorer = Callable[[Sequence[Subject]], Sequence[float]]
"""Returns a number for each of some images."""


class Metric(ABC):
    """A number of a run. One object a metric; it holds no state.

    Attributes:
        description: one line for whoever chooses a metric.
        better: which direction is an improvement.
        digits: behind the point, to which it is rounded in records and results.
        column: place among the metrics' columns of the results; those of equal place stand by name.
    """

    description: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]]
    digits: ClassVar[int] = 4
    column: ClassVar[int] = 100


class ExecutionMetric(Metric):
    """A number that is computed from a record whenever it is asked for."""

    @abstractmethod
    def measure(self, execution: Mapping[str, Any]) -> float:
        """Return the number.

        Args:
            execution: the record's: ``seconds`` by stage, ``unet_calls`` and so on. It may be untrusted.
        """


class ImageMetric(Metric):
    """A number of each image, whose mean is the run's.

    Attributes:
        recorded: whether every run is measured while its images are in memory, and its record keeps the number. Others
            are measured when they are asked for.
        needs_reference: whether an image is held against another one.
        model: hub id of the model that it takes where none is named; None if it takes none.
        version: of the arithmetic, raised when the numbers of the same images change.
    """

    recorded: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = False
    model: ClassVar[str | None] = None
    version: ClassVar[int] = 1

    @abstractmethod
    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        """Return what measures images.

        Args:
            folder: local folder of the model; None for a metric that takes none.
            device: where a model computes, as torch names it; None for a GPU if there is one.

        Raises:
            RequestError: if a package is not installed, or the folder holds no such model.
        """

    def check(self) -> None:
        """Say so, without loading anything, if what it needs is not installed.

        Raises:
            RequestError: with what to install.
        """


METRICS: Registry[Metric] = Registry("metric", "tcdflow.parts.metrics")


def recorded_metrics() -> dict[str, ImageMetric]:
    """Return the metrics that records and results keep, in the order of their columns."""
    found = [(name, one) for name, one in METRICS.items() if isinstance(one, ImageMetric) and one.recorded]
    return dict(sorted(found, key=lambda item: (item[1].column, item[0])))


def metric_of(column: str) -> Metric | None:
    """Return the metric of a column of the results: ``clip``, or ``clip_NAME`` if another model was named for it."""
    return next((METRICS[name] for name in (column, column.partition("_")[0]) if name in METRICS), None)
