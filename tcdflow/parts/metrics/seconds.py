"""Seconds that a run takes on a warm pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tcdflow.spec.metrics import METRICS, ExecutionMetric

_ONCE = ("load", "loras")
"""Stages whose seconds depend on what ran before."""


class Seconds(ExecutionMetric):
    """The seconds of encoding, denoising and decoding, as the record has them."""

    description = "seconds of encoding, denoising and decoding; loading is left out, for it depends on what ran before"
    better = "lower"

    def measure(self, execution: Mapping[str, Any]) -> float:
        return float(sum(spent for stage, spent in execution["seconds"].items() if stage not in _ONCE))


METRICS.add("seconds", Seconds())
