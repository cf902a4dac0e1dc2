"""Rules between fields: what few-step sampling needs, beyond each field's own range.

A rule yields problems (the run is refused) or warnings (it runs, and is told). Nothing here needs the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from tcdflow.errors import Misfit, Problem
from tcdflow.spec import output_name, prompt_rules, runtime_rules
from tcdflow.spec.adapter import ADAPTERS
from tcdflow.spec.formats import ANIMATION_FORMATS
from tcdflow.spec.model import RunSpec
from tcdflow.spec.types import MAX_SEED
from tcdflow.text import any_of

_FAR = 4
"""Times larger or smaller than the size that a base was trained with, from where images have nothing of the prompt."""


def problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield each reason for which the run cannot be made as asked."""
    yield from spec.scheduler.problems(spec)
    yield from size_problems(spec)
    yield from _pipeline(spec)
    yield from spec.family.problems(spec)
    yield from spec.task.problems(spec)
    yield from _adapters(spec)
    yield from prompt_rules.problems(spec)
    yield from runtime_rules.problems(spec)
    yield from output_name.problems(spec)
    for name, lora in spec.loras.items():
        if lora.families and spec.base.family not in lora.families:
            fits = ", ".join(lora.families)
            what = f"was trained for {fits} and does not fit a base of family {spec.base.family}"
            yield Problem(f"loras.{name}", what, misfit=Misfit(lora.families, spec.base.family))
    if isinstance(spec.sampling.seed, tuple) and spec.sampling.num_images != 1:
        what = "a list of seeds already says how many images; leave it at 1"
        yield Problem("sampling.num_images", what, spec.sampling.num_images)
    elif (last := spec.sampling.seeds[-1]) > MAX_SEED:
        most = MAX_SEED - (last - spec.sampling.seeds[0])
        what = f"is at most {most} with {spec.sampling.num_images} images, whose seeds follow"
        yield Problem("sampling.seed", what, spec.sampling.seeds[0])


def size_problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield what is wrong with the size of the images, as far as it is known."""
    multiple = spec.base.size_multiple
    for side, pixels in (("width", spec.width), ("height", spec.height)):
        if pixels % multiple:
            near = max(multiple, round(pixels / multiple) * multiple)
            yield Problem(f"sampling.{side}", f"must be a multiple of {multiple}, such as {near}", pixels)


def _pipeline(spec: RunSpec) -> Iterator[Problem]:
    """Yield what leaves no diffusers class that does it."""
    task, base = spec.task, spec.base
    if base.tasks and task.name not in base.tasks:
        yield Problem("task", f"the UNet of this base is for {', '.join(base.tasks)} alone", task.name)
    if spec.pipeline is not None:
        return
    needed = [kind for kind in spec.adapters_by_kind if kind.pipelines]
    if len(needed) > 1:
        kinds = " and ".join(next(iter(spec.adapters_by_kind[kind].values())).kind for kind in needed)
        yield Problem("adapters", f"diffusers has no pipeline for {kinds} together", str(list(spec.adapters)))
        return
    for kind in needed:
        can = [name for architecture, name in kind.pipelines if architecture == spec.family.architecture]
        for name, adapter in spec.adapters_by_kind[kind].items():
            what = f"a {adapter.kind} on a base of family {base.family} is for task={' or '.join(can) or '(none)'}"
            yield Problem(f"adapters.{name}", f"{what}, not {task.name}")
    if not needed and task.name not in spec.family.pipelines:
        makers = [name for name, kind in ADAPTERS.items() if (spec.family.architecture, task.name) in kind.pipelines]
        what = f"needs an adapter of kind {' or '.join(makers)}" if makers else f"no base of {base.family} does it"
        yield Problem("task", what, task.name)


def _adapters(spec: RunSpec) -> Iterator[Problem]:
    family = spec.base.family
    for name, adapter in spec.adapters.items():
        if adapter.family != family:
            what = f"was trained for {adapter.family} and does not fit a base of {family}"
            yield Problem(f"adapters.{name}", what, misfit=Misfit((adapter.family,), family))
        yield from adapter.problems(f"adapters.{name}", spec)
    by_kind = spec.adapters_by_kind
    for kind in ADAPTERS.values():
        yield from kind.run_problems(by_kind.get(kind, {}), spec)


def warnings(spec: RunSpec) -> Iterator[str]:
    """Yield what is allowed and probably not meant."""
    sampling, scheduler = spec.sampling, spec.scheduler
    distilled = [name for name, lora in spec.loras.items() if lora.distilled]
    if distilled and spec.guided:
        yield (
            f"sampling.guidance_scale={sampling.guidance_scale:g} doubles the cost of each step; "
            f"'{distilled[0]}' is distilled and needs none (0)"
        )
    for name in distilled:
        made_for = spec.loras[name].schedulers
        steps = spec.loras[name].steps
        if steps and sampling.steps not in steps:
            yield f"loras.{name} was distilled for {' or '.join(map(str, steps))} steps, not {sampling.steps}"
        if made_for and scheduler.name not in made_for:
            yield f"loras.{name} was distilled for scheduler {' or '.join(made_for)}, not {scheduler.name}"
    if not distilled and sampling.steps < spec.family.few_steps:
        yield f"sampling.steps={sampling.steps} without a distilled LoRA will look unfinished; try sampling=teacher"
    for key in ("negative_prompt", "negative_prompt_2"):
        if not spec.guided and getattr(spec, key):
            yield f"{key} has no effect while sampling.guidance_scale is at most 1"
    left_out = spec.family.layers_left_out
    if (skip := sampling.clip_skip) and (skip == 2 or left_out >= skip):
        theirs = f"clip skip {skip + 1 + left_out} on {spec.base.family}"
        here = "null" if left_out else 1
        yield f"sampling.clip_skip={skip} is what other tools call {theirs}; their clip skip 2 is {here} here"
    if sampling.eta > 0 and not scheduler.uses_eta:
        yield f"sampling.eta has no effect with scheduler {scheduler.name}"
    for side, pixels in (("width", spec.width), ("height", spec.height)):
        if not spec.base.size / _FAR <= pixels <= spec.base.size * _FAR:
            trained = f"the {spec.base.size} pixels that this base was trained with"
            yield f"sampling.{side}={pixels} is far from {trained}: expect shapes without sense"
    if spec.base.vae is not None and spec.runtime.tiny_vae is not None:
        yield "base.vae has no effect: runtime.tiny_vae takes its place"
    output = spec.output
    if spec.task.animated and output.fps > (most := ANIMATION_FORMATS[output.animation].max_fps):
        others = any_of(name for name, format in ANIMATION_FORMATS.items() if format.max_fps >= output.fps)
        yield f"output.fps={output.fps} is more than {output.animation} can show ({most}); {others} can"
    yield from prompt_rules.warnings(spec)
    yield from spec.task.warnings(spec)
    yield from spec.family.warnings(spec)
