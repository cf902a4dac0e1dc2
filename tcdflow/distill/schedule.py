"""The grid of timesteps that is trained, and what is drawn for each example of a step.

Node 0 is timestep 0, the end of the trajectory (and not clean); node i is ``i * 1000 / grid - 1``. These are the
timesteps of which TCDScheduler takes its subsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from tcdflow.distill.draws import draw, example, uniform
from tcdflow.spec.distill import Distillation

TRAINING_TIMESTEPS = 1000


def timestep(node: int, grid: int) -> int:
    """Return the timestep of a node, from 0 to ``grid``."""
    return max(0, node * (TRAINING_TIMESTEPS // grid) - 1)


@dataclass(frozen=True)
class Drawn:
    """All that is random of one example of one step.

    Attributes:
        example: its number in the data.
        start: timestep at which the student begins, t_{n+k} in the paper.
        next: timestep that the teacher goes to from there, t_n.
        target: timestep that both jumps end at, t_m.
        guidance_scale: of the teacher's step.
        noise: seed of the noise that is added to the example.
    """

    example: int
    start: int
    next: int
    target: int
    guidance_scale: float
    noise: int


def drawn(distill: Distillation, step: int, number: int, count: int) -> Drawn:
    """Draw for one example of a step.

    Args:
        distill: the settings.
        step: from 0 to ``distill.steps - 1``.
        number: of the example within the whole batch, from 0 to ``distill.batch - 1``.
        count: of examples in the data.
    """
    which = (distill.seed, step, number)
    n = int(uniform(*which, "timestep") * distill.grid)
    draws = (uniform(*which, "target"), uniform(*which, "target 2"))
    m = distill.target(n, step / distill.steps, draws)
    low, high = distill.guidance
    return Drawn(
        example=example(distill.seed, step * distill.batch + number, count),
        start=timestep(n + 1, distill.grid),
        next=timestep(n, distill.grid),
        target=timestep(m, distill.grid),
        guidance_scale=low + uniform(*which, "guidance") * (high - low),
        noise=draw(*which, "noise"),
    )


def learning_rate(distill: Distillation, step: int) -> float:
    """Return the learning rate of a step: growing in the warm-up, then constant or falling as a cosine."""
    if step < distill.warmup:
        return distill.learning_rate * (step + 1) / distill.warmup
    if distill.decay == "constant":
        return distill.learning_rate
    done = (step - distill.warmup) / max(1, distill.steps - distill.warmup)
    return distill.learning_rate * 0.5 * (1 + cos(pi * done))
