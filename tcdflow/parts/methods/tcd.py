"""Trajectory consistency distillation (arXiv 2402.19159): jumps to anywhere on the rest of the trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tcdflow.spec.distill import METHODS, Distillation


@METHODS.register("tcd")
class TCD(Distillation):
    """Trajectory consistency distillation (arXiv 2402.19159): jumps to any earlier timestep."""

    method: Literal["tcd"]

    def target(self, n: int, at: float, draws: Sequence[float]) -> int:
        """Return any node up to ``n``, all alike."""
        return int(draws[0] * (n + 1))
