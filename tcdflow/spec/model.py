"""What a run is: the typed, resolved configuration, with no interpolation left in it.

The parts mirror the groups of ``conf/``. A field's description is what ``tcdflow`` says of it; ranges are enforced
here, rules between fields in :mod:`tcdflow.spec.rules`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tcdflow.spec.types import (
    Family,
    FilledText,
    Float,
    Int,
    LoraWeight,
    Part,
    PredictionType,
    Seed,
    SourceText,
    Text,
)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
"""Name of a LoRA or adapter: peft forbids dots in adapter names."""


class BaseModelSpec(Part):
    """The pretrained pipeline (group ``base``)."""

    description: Text = ""
    family: Family
    source: SourceText
    config: SourceText | None = Field(
        None, description="folder or repository whose layout a single-file checkpoint follows"
    )
    variant: Literal["auto", "fp16"] | None = Field(
        "auto",
        description="weight files to read; auto takes fp16 files for a half-precision run, if there are any",
    )
    prediction_type: PredictionType = "epsilon"
    size: Int = Field(ge=8, le=8192, description="pixels a side the base was trained on; default width and height")
    size_multiple: Int = Field(8, ge=1, le=512, description="width and height must be divisible by this")
    safety_checker: bool = Field(False, description="load the base's safety checker, which blackens pictures")


class SchedulerSpec(Part):
    """The sampler (group ``scheduler``). None keeps what the base's own scheduler config says."""

    description: Text = ""
    name: Literal["tcd", "ddim", "dpmpp_2s", "dpmpp_2m", "euler", "lcm"]
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] | None = None
    prediction_type: PredictionType | None = None
    timestep_spacing: Literal["leading", "linspace", "trailing"] | None = None
    rescale_betas_zero_snr: bool | None = None
    use_karras_sigmas: bool | None = None
    clip_sample: bool | None = None
    original_inference_steps: Int | None = Field(
        None,
        ge=1,
        le=1000,
        description="steps the distillation divided the schedule into; tcd and lcm only, 50 there",
    )

    @property
    def most_steps(self) -> int:
        """Sampling steps at which the schedule runs out."""
        return (self.original_inference_steps or 50) if self.name in ("tcd", "lcm") else 1000


class LoraSpec(Part):
    """One entry of the LoRA stack (group ``loras``)."""

    description: Text = ""
    source: SourceText
    sources: dict[Family, SourceText] = Field(default_factory=dict, description="checkpoint by family of the base")
    family: Family | None = Field(None, description="family of the base it was trained on; None is not checked")
    weight: LoraWeight = 1.0
    distilled: bool = Field(False, description="it makes few-step sampling possible and needs no guidance")
    schedulers: tuple[str, ...] = Field((), description="schedulers that it was distilled for; empty is any")

    @property
    def families(self) -> tuple[str, ...]:
        """Families that this LoRA says it fits; empty when it says nothing."""
        return tuple(self.sources) or ((self.family,) if self.family else ())


class LoraStackSpec(Part):
    """What holds for the stack as a whole."""

    fuse: bool = Field(
        True,
        description="add the LoRAs to the base's weights: half the time a step, and other last bits than unfused "
        "(about 6e-7 in float32, 7e-4 in float16, 8e-3 in bfloat16)",
    )


class SamplingSpec(Part):
    """Few-step sampling (group ``sampling``)."""

    description: Text = ""
    steps: Int = Field(ge=1, le=1000)
    eta: Float = Field(ge=0.0, le=1.0, description="stochasticity of each step, gamma in the TCD paper")
    guidance_scale: Float = Field(ge=0.0, le=100.0, description="classifier-free guidance; at most 1 is off")
    seed: Seed = 0
    num_images: Int = Field(1, ge=1, le=1024, description="pictures, with seeds seed, seed + 1, ...")
    width: Int | None = Field(None, ge=8, le=8192)
    height: Int | None = Field(None, ge=8, le=8192)
    clip_skip: Int | None = Field(None, ge=1, le=11, description="layers of the text encoder to leave out at its end")
    generator: Literal["cpu", "device"] = Field(
        "cpu", description="where noise is drawn: cpu gives the same noise on every device"
    )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture, in order."""
        if isinstance(self.seed, tuple):
            return self.seed
        return tuple(range(self.seed, self.seed + self.num_images))


class RuntimeSpec(Part):
    """Where and how it is computed (group ``runtime``)."""

    description: Text = ""
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="float16 on cuda and mps, float32 on a cpu"
    )


class OutputSpec(Part):
    """What is written (group ``output``)."""

    description: Text = ""
    metadata: Literal["full", "none"] = Field("full", description="put the spec, the lock and A1111 text into the PNG")


class RunSpec(Part):
    """Everything that decides the pixels of one run, and how it is computed and written."""

    prompt: FilledText
    negative_prompt: Text = ""
    base: BaseModelSpec
    scheduler: SchedulerSpec
    loras: dict[Name, LoraSpec] = Field(default_factory=dict)
    lora_stack: LoraStackSpec = LoraStackSpec()
    sampling: SamplingSpec
    runtime: RuntimeSpec = RuntimeSpec()
    output: OutputSpec = OutputSpec()

    @property
    def width(self) -> int:
        """Width of the pictures in pixels."""
        return self.sampling.width or self.base.size

    @property
    def height(self) -> int:
        """Height of the pictures in pixels."""
        return self.sampling.height or self.base.size

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance is on, which doubles the UNet's work."""
        return self.sampling.guidance_scale > 1.0
