"""Seconds that a run takes on a warm pipeline."""

from __future__ import annotations

from tcdflow.spec.metrics import METRICS, Measurable, Metric

_ONCE = ("load", "loras")
"""Stages whose seconds depend on what ran before."""


class Seconds(Metric):
    """The seconds of encoding, denoising and decoding, as the record has them."""

    description = "seconds of encoding, denoising and decoding; loading is left out, for it depends on what ran before"
    better = "lower"
    needs_images = False

    def measure(self, run: Measurable) -> float:
        return float(sum(spent for stage, spent in run.execution["seconds"].items() if stage not in _ONCE))


METRICS.add("seconds", Seconds())
