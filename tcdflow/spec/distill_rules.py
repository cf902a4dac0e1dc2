"""Rules between the fields of a distillation: what is refused, and what is allowed and probably not meant."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from tcdflow.errors import Problem
from tcdflow.spec import rules
from tcdflow.spec.distill import SAMPLER_GRID, DistillSpec
from tcdflow.spec.family import FAMILIES

TRAINING_TIMESTEPS = 1000
"""Of all bases of the known families."""


def problems(spec: DistillSpec) -> Iterator[Problem]:
    """Yield each reason for which a distillation cannot be made as asked."""
    distill = spec.distill
    for problem in rules.problems(spec.teacher("a prompt")):
        if problem.key.startswith("sampling."):  # the images are base.size wide
            yield Problem("base.size", problem.what, spec.base.size)
        else:
            yield problem
    if "text_to_image" not in FAMILIES[spec.base.family].pipelines:
        yield Problem("base.family", "no LoRA can be distilled from it", spec.base.family)
    if TRAINING_TIMESTEPS % distill.grid:
        near = min((n for n in range(2, 1001) if TRAINING_TIMESTEPS % n == 0), key=lambda n: abs(n - distill.grid))
        what = f"must divide the {TRAINING_TIMESTEPS} training timesteps, as {near} does; samplers use {SAMPLER_GRID}"
        yield Problem("distill.grid", what, distill.grid)
    if distill.batch % distill.accumulation:
        what = f"must divide distill.batch, which is {distill.batch}"
        yield Problem("distill.accumulation", what, distill.accumulation)
    if distill.warmup >= distill.steps:
        yield Problem("distill.warmup", f"must be less than distill.steps, which is {distill.steps}", distill.warmup)
    yield from distill.problems()
    if distill.loss != "huber" and distill.huber_c != type(distill).model_fields["huber_c"].default:
        yield Problem("distill.huber_c", f"has no effect with distill.loss={distill.loss}", distill.huber_c)
    if distill.optimizer == "adamw8bit":
        if find_spec("bitsandbytes") is None:
            yield Problem("distill.optimizer", "needs bitsandbytes: pip install 'tcdflow[distill]'", distill.optimizer)
        if distill.device == "cpu":
            yield Problem("distill.optimizer", "needs a GPU; use adamw", distill.optimizer)
    if distill.device == "cpu" and distill.precision == "float16":
        what = "is too slow and too narrow on a cpu; use float32 or bfloat16"
        yield Problem("distill.precision", what, distill.precision)


def warnings(spec: DistillSpec) -> Iterator[str]:
    """Yield what is allowed and probably not meant."""
    distill = spec.distill
    if distill.grid % SAMPLER_GRID:
        yield (
            f"distill.grid={distill.grid}: samplers take timesteps of a grid of {SAMPLER_GRID}, some of which are not "
            f"trained; sample with scheduler.original_inference_steps={distill.grid}"
        )
    if distill.guidance[1] <= 1:
        yield "distill.guidance=1 distils the base without guidance, whose images look unfinished; 3 to 9 is usual"
    if not 1 / 16 <= distill.scale <= 4:
        yield (
            f"distill.alpha={distill.lora_alpha:g} with distill.rank={distill.rank} multiplies the LoRA by "
            f"{distill.scale:g}; alpha is usually the rank, or half of it"
        )
    if spec.base.safety_checker:
        yield "base.safety_checker has no effect on a distillation"
