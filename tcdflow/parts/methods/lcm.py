"""Latent consistency distillation (arXiv 2310.04378): jumps to clean latents, through its boundary condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from tcdflow.spec.distill import METHODS, Distillation


@METHODS.register("lcm")
class LCM(Distillation):
    """Latent consistency distillation (arXiv 2310.04378): jumps to clean latents."""

    scheduler: ClassVar[str] = "lcm"
    to_clean: ClassVar[bool] = True

    method: Literal["lcm"]

    def target(self, n: int, at: float, draws: Sequence[float]) -> int:
        """Return the end of the trajectory."""
        return 0
