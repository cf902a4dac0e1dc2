"""Phased consistency distillation (arXiv 2405.18407): jumps to the edge of a fixed phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.distill import METHODS, Distillation
from tcdflow.spec.types import Int


@METHODS.register("pcm")
class PCM(Distillation):
    """Phased consistency distillation (arXiv 2405.18407), without its adversarial loss: jumps to a phase's edge."""

    method: Literal["pcm"]
    phases: Int = Field(4, ge=1, le=1000, description="parts of equal length that the trajectory is divided into")

    def problems(self) -> Iterator[Problem]:
        """Yield more phases than nodes."""
        yield from self.beyond_grid("phases", self.phases)

    def target(self, n: int, at: float, draws: Sequence[float]) -> int:
        """Return the lower edge of the phase that the step lies in."""
        return edge(n, self.phases, self.grid)


def edge(n: int, phases: int, grid: int) -> int:
    """Return the greatest edge up to node ``n`` of a grid divided into phases: edges are ``j * grid // phases``."""
    return max(j * grid // phases for j in range(phases) if j * grid // phases <= n)
