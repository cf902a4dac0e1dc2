"""What a run is: the typed, resolved configuration, with no interpolation left in it.

The parts mirror the groups of ``conf/``. A field's description is what ``tcdflow`` says of it; ranges are enforced
here, rules between fields in :mod:`tcdflow.spec.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tcdflow.spec.adapter import ADAPTERS, Adapter
from tcdflow.spec.family import FAMILIES, Family, FamilyName
from tcdflow.spec.needs import Need
from tcdflow.spec.registry import OneOf
from tcdflow.spec.scheduler import SCHEDULERS, Scheduler
from tcdflow.spec.task import TASKS, Task
from tcdflow.spec.types import (
    FilledText,
    Float,
    Int,
    LoraWeight,
    PredictionType,
    Seed,
    Settings,
    SourceText,
    Text,
)

MAX_BATCH = 256

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
"""Name of a LoRA or adapter: peft forbids dots in adapter names."""


class BaseModelSpec(Settings):
    """The pretrained pipeline (group ``base``)."""

    description: Text = ""
    family: FamilyName
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
    tasks: tuple[str, ...] = Field((), description="tasks that its UNet was made for; empty is any")
    safety_checker: bool = Field(False, description="load the base's safety checker, which blackens images")


class LoraSpec(Settings):
    """One entry of the LoRA stack (group ``loras``)."""

    description: Text = ""
    source: SourceText
    sources: dict[FamilyName, SourceText] = Field(default_factory=dict, description="checkpoint by family of the base")
    family: FamilyName | None = Field(None, description="family of the base it was trained on; None is not checked")
    weight: LoraWeight = 1.0
    distilled: bool = Field(False, description="it makes few-step sampling possible and needs no guidance")
    schedulers: tuple[str, ...] = Field((), description="schedulers that it was distilled for; empty is any")
    steps: tuple[Int, ...] = Field((), description="numbers of steps that it was distilled for; empty is any")
    partial: bool = Field(False, description="let modules that the base lacks go unused, instead of refusing the LoRA")

    @property
    def families(self) -> tuple[str, ...]:
        """Families that this LoRA says it fits; empty when it says nothing."""
        return tuple(self.sources) or ((self.family,) if self.family else ())


class MergeSpec(Settings):
    """How the LoRAs of a stack become one, through peft's ``add_weighted_adapter``."""

    method: Literal["linear", "cat", "svd", "ties", "dare_linear", "dare_ties"]
    density: Float | None = Field(None, gt=0.0, le=1.0, description="share of the values kept; ties and dare only")
    seed: Int = Field(0, ge=0, le=2**63 - 1, description="of the values that dare drops")


class LoraStackSpec(Settings):
    """What holds for the stack as a whole."""

    merge: MergeSpec | None = Field(None, description="merge the LoRAs into one; None adds up their effects")

    fuse: bool = Field(
        True,
        description="add the LoRAs to the base's weights: half the time a step, and other last bits than unfused "
        "(about 6e-7 in float32, 7e-4 in float16, 8e-3 in bfloat16)",
    )


class SamplingSpec(Settings):
    """Few-step sampling (group ``sampling``)."""

    description: Text = ""
    steps: Int = Field(ge=1, le=1000)
    eta: Float = Field(ge=0.0, le=1.0, description="stochasticity of each step, gamma in the TCD paper")
    guidance_scale: Float = Field(ge=0.0, le=100.0, description="classifier-free guidance; at most 1 is off")
    seed: Seed = 0
    num_images: Int = Field(1, ge=1, le=1024, description="images, with seeds seed, seed + 1, ...")
    width: Int | None = Field(None, ge=8, le=8192)
    height: Int | None = Field(None, ge=8, le=8192)
    clip_skip: Int | None = Field(None, ge=1, le=11, description="layers of the text encoder to leave out at its end")
    generator: Literal["cpu", "device"] = Field(
        "cpu", description="where noise is drawn: cpu gives the same noise on every device"
    )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, in order."""
        if isinstance(self.seed, tuple):
            return self.seed
        return tuple(range(self.seed, self.seed + self.num_images))


class CompileSpec(Settings):
    """``torch.compile`` of the UNet: minutes at first (blocks: far less), then faster steps; last bits change (1e-6).

    Once for each size, and again for an unfused LoRA stack; fused stacks change under it at no cost.
    """

    scope: Literal["unet", "blocks"] = Field("blocks", description="the whole UNet, or its repeated blocks once")
    mode: Literal["default", "reduce-overhead", "max-autotune"] = "default"
    backend: Literal["inductor", "eager", "aot_eager"] = "inductor"


class RuntimeSpec(Settings):
    """Where and how it is computed (group ``runtime``). Each lever says what it costs and whether it changes bits."""

    description: Text = ""
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="float16 on cuda and mps, float32 on a cpu; changes pixels"
    )
    offload: Literal["none", "model", "sequential", "group"] = Field(
        "none",
        description="cuda only; keep parts in main memory while they wait, whole (model) or layer by layer (group, "
        "sequential): less GPU memory, more time, not meant to change bits",
    )
    batch_size: Int = Field(
        1,
        ge=1,
        le=MAX_BATCH,
        description="images that share the UNet's calls: those of a run, and of a sweep's cells that differ only in "
        "prompt, negative prompt and seed; more images a second, and other last bits (about 1e-6 in float32)",
    )
    vae_slicing: bool = Field(
        False, description="decode the images of a batch or frames one by one: less memory; last bits change"
    )
    vae_tiling: bool = Field(
        False,
        description="decode what is larger than the base's own size in overlapping tiles: less memory; changes pixels",
    )
    channels_last: bool = Field(
        False, description="memory format of convolutions: faster on some GPUs; changes the last bits (8e-7)"
    )
    layerwise_casting: Literal["none", "float8_e4m3fn", "float8_e5m2"] = Field(
        "none",
        description="store the UNet in 8 bits, compute in dtype: half the memory of 16 bits, slower; changes pixels; "
        "another LoRA stack needs the base loaded anew",
    )
    compile: CompileSpec | None = None
    tf32: bool = Field(
        False,
        description="19-bit matrix products on Ampere and later: faster float32; changes bits; off leaves torch's "
        "own choice, which has them in cuDNN's convolutions",
    )
    deterministic: bool = Field(
        False, description="torch's deterministic algorithms only: slower on cuda; same bits on a cpu"
    )
    tiny_vae: SourceText | None = Field(None, description="an AutoencoderTiny to decode with: faster, coarser images")

    @property
    def for_loading(self) -> RuntimeSpec:
        """What of it decides how a base is loaded."""
        return self.model_copy(update={"description": "", "batch_size": 1})


class OutputSpec(Settings):
    """What is written (group ``output``)."""

    description: Text = ""
    format: Literal["png", "jpeg", "webp"] = Field("png", description="of images; only png keeps every pixel")
    quality: Int = Field(95, ge=1, le=100, description="of jpeg and webp; 100 makes webp lossless")
    animation: Literal["gif", "webp", "mp4"] = Field("gif", description="format of animations")
    fps: Int = Field(
        10, ge=1, le=60, description="frames a second of animations; a gif counts in hundredths of a second"
    )
    loop: bool = Field(True, description="whether gif and webp animations start again")
    grid: bool = Field(True, description="a labelled sheet beside several images, or beside one that had inputs")
    metadata: Literal["full", "none"] = Field("full", description="put spec, lock and A1111 text into the files")


class RunSpec(Settings):
    """Everything that decides the pixels of one run, and how it is computed and written."""

    prompt: FilledText
    negative_prompt: Text = ""
    task: Annotated[Task, OneOf(TASKS, "name")] = Field(
        default_factory=lambda: TASKS["text_to_image"](name="text_to_image")
    )
    base: BaseModelSpec
    scheduler: Annotated[Scheduler, OneOf(SCHEDULERS, "name")]
    loras: dict[Name, LoraSpec] = Field(default_factory=dict)
    lora_stack: LoraStackSpec = LoraStackSpec()
    adapters: dict[Name, Annotated[Adapter, OneOf(ADAPTERS, "kind")]] = Field(default_factory=dict)
    sampling: SamplingSpec
    runtime: RuntimeSpec = RuntimeSpec()
    output: OutputSpec = OutputSpec()

    @property
    def width(self) -> int:
        """Width of the images in pixels."""
        return self.sampling.width or self.base.size

    @property
    def height(self) -> int:
        """Height of the images in pixels."""
        return self.sampling.height or self.base.size

    @property
    def effective_steps(self) -> int:
        """Steps that are really run, strength considered."""
        return self.task.effective_steps(self.sampling.steps)

    @property
    def denoiser_calls(self) -> int:
        """Calls of the denoiser that an image takes; guidance makes each of them twice the work."""
        return self.scheduler.denoiser_calls(self.effective_steps)

    @property
    def family(self) -> Family:
        """The family of the base."""
        return FAMILIES[self.base.family]

    @property
    def adapters_by_kind(self) -> dict[type[Adapter], dict[str, Adapter]]:
        """The adapters of each kind by name, in order."""
        found: dict[type[Adapter], dict[str, Adapter]] = {}
        for name, adapter in self.adapters.items():
            found.setdefault(type(adapter), {})[name] = adapter
        return found

    @property
    def replaces_denoiser(self) -> bool:
        """Whether an adapter makes another denoiser of the base's."""
        return any(kind.replaces_denoiser for kind in self.adapters_by_kind)

    @property
    def pipeline(self) -> str | None:
        """The diffusers class that does what is asked for, as of :class:`Family`; None if there is none."""
        asked = [kind for kind in self.adapters_by_kind if kind.pipelines]
        if not asked:
            return self.family.pipelines.get(self.task.name)
        (kind, *others) = asked
        return None if others else kind.pipelines.get((self.family.architecture, self.task.name))

    def needs(self) -> Iterator[Need]:
        """Yield each source that the run reads."""
        yield Need("base", "base.source", self.base.source, "pipeline", self.base.config, may_be_file=True)
        for name, lora in self.loras.items():
            yield Need(f"loras.{name}", f"loras.{name}.source", lora.source, "weights")
        yield from self.task.needs()
        for name, adapter in self.adapters.items():
            yield from adapter.needs(f"adapters.{name}")
        if self.runtime.tiny_vae is not None:
            yield Need("runtime.tiny_vae", "runtime.tiny_vae", self.runtime.tiny_vae, "model")

    def unfitted(self) -> Iterator[tuple[str, str]]:
        """Yield the key of each ``fit`` that leaves an image at its own size, and the role of that image."""
        yield from self.task.unfitted()
        for name, adapter in self.adapters.items():
            yield from adapter.unfitted(f"adapters.{name}")

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance is on, which doubles the UNet's work."""
        return self.sampling.guidance_scale > 1.0
