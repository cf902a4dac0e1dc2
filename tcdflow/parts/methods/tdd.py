"""Target-driven distillation (arXiv 2409.01347): jumps to the timesteps that few-step samplers stop at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.parts.methods.pcm import edge
from tcdflow.spec.distill import METHODS, Distillation
from tcdflow.spec.types import Float, Int


@METHODS.register("tdd")
class TDD(Distillation):
    """Target-driven distillation (arXiv 2409.01347): jumps to where samplers of few steps stop."""

    method: Literal["tdd"]
    schedules: Annotated[tuple[Annotated[Int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=64)] = Field(
        (4, 5, 6, 7, 8), description="numbers of sampling steps; each example is for one of them, drawn"
    )
    spread: Float = Field(
        0.3, ge=0.0, le=1.0, description="how far below a sampler's stop the jump may end, as its eta takes it there"
    )

    def problems(self) -> Iterator[Problem]:
        """Yield schedules of more steps than nodes."""
        yield from self.beyond_grid("schedules", max(self.schedules))

    def target(self, n: int, at: float, draws: Sequence[float]) -> int:
        """Return a node at a drawn schedule's next stop, or up to ``spread`` of the way below it."""
        steps = self.schedules[int(draws[0] * len(self.schedules))]
        stop = edge(n, steps, self.grid)
        low = int((1 - self.spread) * stop)
        return low + int(draws[1] * (stop - low + 1))
