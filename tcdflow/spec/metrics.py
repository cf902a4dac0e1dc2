"""Metrics, as parts: numbers of a run that results list and sweepers optimize, and the registry that finds them.

A metric is one file below ``tcdflow.parts.metrics``. Its name is then allowed in ``sweep.metric``; records and
results of sweeps follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tcdflow.spec.registry import Registry

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Measurable:
    """What a metric may look at of a finished run.

    Attributes:
        images: RGB, in the order of their seeds; of animations the first frames. Empty for a metric that needs none.
        prompts: the prompt of each image.
        execution: the record's: ``seconds`` by stage, ``unet_calls`` and so on. It may be untrusted.
    """

    images: Sequence[Image.Image]
    prompts: Sequence[str]
    execution: Mapping[str, Any]


class Metric(ABC):
    """A number of a run. One object a metric; it holds no state.

    Attributes:
        description: one line for whoever chooses a metric.
        better: which direction is an improvement.
        digits: behind the point, to which it is rounded in records and results.
        needs_images: whether it is measured when the images are there, and kept in the record and in a column of the
            results. One that needs none is computed from the record, when a sweeper asks for it.
        column: place among the metrics' columns of the results; those of equal place stand by name.
    """

    description: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]]
    digits: ClassVar[int] = 4
    needs_images: ClassVar[bool] = True
    column: ClassVar[int] = 100

    @abstractmethod
    def measure(self, run: Measurable) -> float:
        """Return the number; a mean where a run has several images, of which there is at least one."""


METRICS: Registry[Metric] = Registry("metric", "tcdflow.parts.metrics")


def recorded_metrics() -> dict[str, Metric]:
    """Return the metrics that records and results keep, in the order of their columns."""
    found = [(name, metric) for name, metric in METRICS.items() if metric.needs_images]
    return dict(sorted(found, key=lambda item: (item[1].column, item[0])))
