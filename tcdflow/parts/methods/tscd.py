"""Trajectory segmented consistency distillation (Hyper-SD, arXiv 2404.13686): segments that merge as it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.parts.methods.pcm import edge
from tcdflow.spec.distill import METHODS, Distillation
from tcdflow.spec.types import Int


@METHODS.register("tscd")
class TSCD(Distillation):
    """Segmented trajectory consistency distillation (arXiv 2404.13686): jumps within segments, fewer as it goes on."""

    staged = True

    method: Literal["tscd"]
    segments: Annotated[tuple[Annotated[Int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=16)] = Field(
        (8, 4, 2, 1), description="segments of the trajectory in each stage; all stages take as many steps"
    )

    def problems(self) -> Iterator[Problem]:
        """Yield more segments than nodes."""
        yield from self.beyond_grid("segments", max(self.segments))

    def target(self, n: int, at: float, draws: Sequence[float]) -> int:
        """Return any node from the segment's lower edge to ``n``."""
        stage = min(int(at * len(self.segments)), len(self.segments) - 1)
        low = edge(n, self.segments[stage], self.grid)
        return low + int(draws[0] * (n - low + 1))
