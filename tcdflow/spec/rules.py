"""Rules between fields: what few-step sampling needs, beyond each field's own range.

A rule yields problems (the run is refused) or warnings (it runs, and is told). Nothing here needs the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from tcdflow import embedded
from tcdflow.errors import Problem
from tcdflow.spec import adapter_rules, runtime_rules
from tcdflow.spec.formats import animation_formats
from tcdflow.spec.model import RunSpec
from tcdflow.spec.tasks import ImageToImage, Inpainting
from tcdflow.text import any_of

FEW_STEPS = 10

_HONOURED = {
    "beta_schedule": ("tcd", "ddim", "dpmpp_2s", "dpmpp_2m", "euler", "lcm"),
    "prediction_type": ("tcd", "ddim", "dpmpp_2s", "dpmpp_2m", "euler", "lcm"),
    "timestep_spacing": ("ddim", "dpmpp_2m", "euler"),
    "rescale_betas_zero_snr": ("tcd", "ddim", "dpmpp_2m", "euler", "lcm"),
    "use_karras_sigmas": ("dpmpp_2s", "dpmpp_2m", "euler"),
    "clip_sample": ("ddim", "lcm"),
    "original_inference_steps": ("tcd", "lcm"),
}
"""Which scheduler reads which setting in diffusers 0.42; the others would ignore it in silence."""


def problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield each reason for which the run cannot be made as asked."""
    yield from _scheduler(spec)
    yield from size_problems(spec)
    yield from _task(spec)
    yield from adapter_rules.problems(spec)
    yield from runtime_rules.problems(spec)
    for name, lora in spec.loras.items():
        if lora.families and spec.base.family not in lora.families:
            fits = ", ".join(lora.families)
            yield Problem(
                f"loras.{name}",
                f"was trained for {fits} and does not fit a base of family {spec.base.family}",
            )
    if isinstance(spec.sampling.seed, tuple) and spec.sampling.num_images != 1:
        yield Problem(
            "sampling.num_images",
            "a list of seeds already says how many images; leave it at 1",
            spec.sampling.num_images,
        )


def _scheduler(spec: RunSpec) -> Iterator[Problem]:
    scheduler, steps = spec.scheduler, spec.sampling.steps
    most = scheduler.most_steps
    if steps > most:
        yield Problem(
            "sampling.steps",
            f"must be at most {most} with scheduler {scheduler.name} (scheduler.original_inference_steps)",
            steps,
        )
    for key, honoured in _HONOURED.items():
        if getattr(scheduler, key) is not None and scheduler.name not in honoured:
            yield Problem(f"scheduler.{key}", f"scheduler {scheduler.name} ignores it; it is for {', '.join(honoured)}")
    if scheduler.prediction_type not in (None, spec.base.prediction_type):
        yield Problem(
            "scheduler.prediction_type",
            f"the base predicts {spec.base.prediction_type}",
            scheduler.prediction_type,
        )
    if scheduler.rescale_betas_zero_snr and spec.base.prediction_type == "epsilon":
        yield Problem(
            "scheduler.rescale_betas_zero_snr",
            "a base that predicts epsilon gives non-finite images at zero SNR; it needs v_prediction",
            True,
        )


def size_problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield what is wrong with the size of the images."""
    multiple = spec.base.size_multiple
    for side, pixels in (("width", spec.width), ("height", spec.height)):
        if pixels % multiple:
            near = max(multiple, round(pixels / multiple) * multiple)
            yield Problem(f"sampling.{side}", f"must be a multiple of {multiple}, such as {near}", pixels)


def _task(spec: RunSpec) -> Iterator[Problem]:
    task, base = spec.task, spec.base
    if base.tasks and task.name not in base.tasks:
        yield Problem("task", f"the UNet of this base is for {', '.join(base.tasks)} alone", task.name)
    if spec.effective_steps < 1 and isinstance(task, ImageToImage | Inpainting):
        least = 1 / spec.sampling.steps
        what = f"leaves none of sampling.steps={spec.sampling.steps}; it must be at least {least:.3g}"
        yield Problem("task.strength", what, task.strength)
    if base.safety_checker and base.family == "sdxl":
        yield Problem("base.safety_checker", "SDXL has none", True)


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
    if not distilled and sampling.steps < FEW_STEPS and spec.base.family != "emoji":
        yield f"sampling.steps={sampling.steps} without a distilled LoRA will look unfinished; try sampling=teacher"
    if not spec.guided and spec.negative_prompt:
        yield "negative_prompt has no effect while sampling.guidance_scale is at most 1"
    if sampling.eta > 0 and scheduler.name not in ("tcd", "ddim"):
        yield f"sampling.eta has no effect with scheduler {scheduler.name}"
    output = spec.output
    if spec.task.name == "animation" and output.fps > (most := animation_formats[output.animation].max_fps):
        others = any_of(name for name, format in animation_formats.items() if format.max_fps >= output.fps)
        yield f"output.fps={output.fps} is more than {output.animation} can show ({most}); {others} can"
    model = spec.base.source.removeprefix("embedded:")
    if model in embedded.MODELS and (advice := embedded.advice(model, spec.prompt)):
        yield advice
