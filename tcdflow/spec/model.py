"""What a run is: the typed, resolved configuration, with no interpolation left in it.

The parts mirror the groups of ``conf/``. A field's description is what ``tcdflow explain`` says of it; ranges are
enforced here, rules between fields in :mod:`tcdflow.spec.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tcdflow import embedded
from tcdflow.spec.adapter import ADAPTERS, Adapter
from tcdflow.spec.family import FAMILIES, Family, FamilyName
from tcdflow.spec.inputs import ImageUse
from tcdflow.spec.needs import Need
from tcdflow.spec.output import OutputSpec
from tcdflow.spec.prompt import EmbeddingSpec, PromptEncodingSpec
from tcdflow.spec.registry import OneOf
from tcdflow.spec.scheduler import SCHEDULERS, Scheduler, SchedulerName
from tcdflow.spec.task import TASKS, Task, TaskName
from tcdflow.spec.types import (
    Description,
    FilledText,
    Float,
    Int,
    LoraWeight,
    Name,
    PredictionType,
    Seed,
    Settings,
    Side,
    SourceText,
    Text,
)

MAX_BATCH = 256
PLACE = "a hub id (owner/name, with @revision or /path/in/it) or address, a folder or a .safetensors file"


class BaseModelSpec(Settings):
    """The pretrained pipeline (group ``base``)."""

    description: Description = ""
    family: FamilyName = Field(description="architecture; LoRAs and adapters must be made for the same family")
    source: SourceText = Field(description=f"where the pipeline's weights are: {PLACE}")
    config: SourceText | None = Field(
        None, description="folder or repository whose layout a single-file checkpoint follows"
    )
    vae: SourceText | None = Field(
        None,
        description="VAE in place of the base's own: a hub id, a folder or a .safetensors file; null takes the base's "
        "own, or that of base.config for a single-file checkpoint without one",
    )
    variant: Literal["auto", "fp16"] | None = Field(
        "auto",
        description="weight files to read: auto takes the fp16 files for a half-precision run if there are any, null "
        "never does",
    )
    prediction_type: PredictionType = Field("epsilon", description="what the base's UNet was trained to predict")
    size: Int = Field(ge=8, le=8192, description="side of the training images in pixels; the default width and height")
    size_multiple: Int = Field(8, ge=1, le=512, description="width and height must be multiples of this many pixels")
    tasks: tuple[TaskName, ...] = Field((), description="tasks that its UNet was trained for; an empty list means any")
    safety_checker: bool = Field(
        False, description="load the base's safety checker, which blacks out images it takes for unsafe"
    )


class LoraSpec(Settings):
    """One entry of the LoRA stack (group ``loras``)."""

    description: Description = ""
    source: SourceText = Field(description=f"where the LoRA's weights are: {PLACE}")
    sources: dict[FamilyName, SourceText] = Field(
        default_factory=dict,
        description="a checkpoint for each family of bases, for source to choose from: ${.sources.${base.family}}",
    )
    family: FamilyName | None = Field(None, description="family of the base it was trained on; null is not checked")
    weight: LoraWeight = Field(
        1.0,
        description="strength: 0 has no effect, 1 is as trained, below 0 inverts it; one number, or numbers by "
        "component and block such as {unet: {down: 0.5, mid: 1}}",
    )
    distilled: bool = Field(False, description="whether it was distilled for few steps without guidance")
    schedulers: tuple[SchedulerName, ...] = Field(
        (), description="schedulers it was distilled for; an empty list means any"
    )
    steps: tuple[Int, ...] = Field((), description="numbers of steps it was distilled for; an empty list means any")
    partial: bool = Field(False, description="accept a LoRA with modules that the base lacks; they have no effect")

    @property
    def families(self) -> tuple[str, ...]:
        """Families that this LoRA says it fits; empty when it says nothing. That of an embedded model fits it alone."""
        if model := embedded.named(self.source):
            return (model,)
        return tuple(self.sources) or ((self.family,) if self.family else ())


class MergeSpec(Settings):
    """How the LoRAs of a stack become one, through peft's ``add_weighted_adapter``."""

    method: Literal["linear", "cat", "svd", "ties", "dare_linear", "dare_ties"] = Field(
        description="how to combine the LoRAs; linear, ties and dare need LoRAs of equal rank"
    )
    density: Float | None = Field(
        None, gt=0.0, le=1.0, description="fraction of each LoRA's values to keep; for ties and dare only"
    )
    seed: Int = Field(0, ge=0, le=2**63 - 1, description="seed of the values that dare drops at random")


class LoraStackSpec(Settings):
    """What holds for the stack as a whole."""

    merge: MergeSpec | None = Field(None, description="merge the LoRAs into one; null adds up their effects")
    fuse: bool = Field(
        True,
        description="add the LoRAs to the base's weights: a step takes half the time, and the result is not "
        "bit-identical to unfused (about 6e-7 in float32, 7e-4 in float16, 8e-3 in bfloat16)",
    )


_SIDES = (
    "null takes base.size, input that of the input image to the nearest multiple of base.size_multiple; aspect keeps "
    "the input image's shape: beside the other side, or with about base.size x base.size pixels where both are aspect"
)


class SamplingSpec(Settings):
    """Few-step sampling (group ``sampling``)."""

    description: Description = ""
    steps: Int = Field(ge=1, le=1000, description="denoising steps; TCD-LoRAs are made for 4 to 8, at most 50")
    eta: Float = Field(
        ge=0.0, le=1.0, description="randomness of each step, gamma in the TCD paper: 0 adds no noise, 0.3 is usual"
    )
    guidance_scale: Float = Field(
        ge=0.0,
        le=100.0,
        description="classifier-free guidance; 0 to 1 is off, as distilled LoRAs need; above 1 doubles the UNet's work",
    )
    seed: Seed = Field(0, description="seed of the noise; a list makes one image for each seed, random draws one")
    num_images: Int = Field(1, ge=1, le=1024, description="number of images; their seeds are seed, seed + 1 and so on")
    width: Side = Field(None, description=f"width in pixels; {_SIDES}")
    height: Side = Field(None, description=f"height in pixels; {_SIDES}")
    clip_skip: Int | None = Field(
        None,
        ge=1,
        le=11,
        description="layers to skip at the end of the text encoder, beyond what its pipeline skips; null skips none; "
        "what other tools call clip skip N is N - 1 here, and N - 2 with SDXL, where their 2 is null",
    )
    generator: Literal["cpu", "device"] = Field(
        "cpu", description="where noise is drawn: cpu gives the same noise everywhere, device draws on the GPU"
    )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, in order."""
        if isinstance(self.seed, tuple):
            return self.seed
        return tuple(range(self.seed, self.seed + self.num_images))


class CompileSpec(Settings):
    """``torch.compile`` of the UNet: minutes at first (blocks: far less), then faster steps; changes bits (about 1e-6).

    It compiles once for each size, and again for an unfused LoRA stack; fused stacks change at no cost.
    """

    scope: Literal["unet", "blocks"] = Field("blocks", description="the whole UNet, or its repeated blocks once")
    mode: Literal["default", "reduce-overhead", "max-autotune"] = Field(
        "default",
        description="torch.compile's mode: reduce-overhead uses CUDA graphs, max-autotune compiles longest; on cuda "
        "both require scope unet",
    )
    backend: Literal["inductor", "eager", "aot_eager"] = Field(
        "inductor", description="torch.compile's backend; the eager ones gain no speed and are for debugging"
    )


class RuntimeSpec(Settings):
    """Where and how it is computed (group ``runtime``). Each option says what it costs and whether it changes bits."""

    description: Description = ""
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")] = Field(
        "auto",
        description="auto (the best there is), cpu, mps, cuda, or cuda:N for the GPU with number N",
        examples=["auto", "cpu", "mps", "cuda", "cuda:0"],
    )
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="precision; auto is float16 on cuda and mps, float32 on a CPU; changes pixels"
    )
    offload: Literal["none", "model", "sequential", "group"] = Field(
        "none",
        description="keep idle parts in main memory, as whole models (model) or by layer (group, sequential): less GPU "
        "memory, more time; cuda only; not meant to change bits",
    )
    batch_size: Int = Field(
        1,
        ge=1,
        le=MAX_BATCH,
        description="images in one UNet call: those of a run, and of sweep cells that differ only in prompt, negative "
        "prompt and seed; more images a second, not bit-identical to batch size 1 (about 1e-6 in float32)",
    )
    vae_slicing: bool = Field(
        False, description="decode the images of a batch, or frames, one by one: less memory; changes bits (about 1e-6)"
    )
    vae_tiling: bool = Field(
        False,
        description="decode images larger than the base's own size in overlapping tiles: less memory; changes pixels",
    )
    channels_last: bool = Field(
        False, description="memory format of convolutions: faster on some GPUs; changes bits (about 8e-7)"
    )
    layerwise_casting: Literal["none", "float8_e4m3fn", "float8_e5m2"] = Field(
        "none",
        description="store the UNet in 8 bits and compute in dtype: half the memory of 16 bits, slower; changes "
        "pixels; another LoRA stack reloads the base",
    )
    compile: CompileSpec | None = Field(
        None, description="torch.compile of the UNet; null is off; changes bits (about 1e-6)"
    )
    tf32: bool = Field(
        False,
        description="19-bit matrix products on Ampere and later: faster float32; changes bits; false leaves torch's "
        "default, which uses them in cuDNN's convolutions",
    )
    deterministic: bool = Field(
        False, description="use torch's deterministic algorithms only: slower on cuda; same bits on a CPU"
    )
    tiny_vae: SourceText | None = Field(
        None, description="an AutoencoderTiny to decode with: faster, coarser images; null uses the base's own VAE"
    )

    @property
    def for_loading(self) -> RuntimeSpec:
        """What of it decides how a base is loaded."""
        return self.model_copy(update={"description": "", "batch_size": 1})


class RunSpec(Settings):
    """Everything that decides the pixels of one run, and how it is computed and written."""

    prompt: FilledText = Field(description="what the image shows")
    negative_prompt: Text = Field("", description="what it should not show; only with sampling.guidance_scale above 1")
    prompt_2: FilledText | None = Field(
        None, description="prompt for the second text encoder of sdxl; null gives it the same as the first"
    )
    negative_prompt_2: FilledText | None = Field(
        None, description="negative prompt for the second text encoder of sdxl; null gives it the same as the first"
    )
    prompt_encoding: PromptEncodingSpec = Field(
        PromptEncodingSpec(), description="how prompts are read: weights of words, and what is too long"
    )
    task: Annotated[Task, OneOf(TASKS, "name")] = Field(
        default_factory=lambda: TASKS["text_to_image"](name="text_to_image"), description="what is made from what"
    )
    base: BaseModelSpec = Field(description="the pretrained pipeline")
    scheduler: Annotated[Scheduler, OneOf(SCHEDULERS, "name")] = Field(description="the sampler")
    loras: dict[Name, LoraSpec] = Field(
        default_factory=dict, description="the LoRA stack by name; the order changes bits (about 6e-7)"
    )
    lora_stack: LoraStackSpec = Field(LoraStackSpec(), description="settings of the whole LoRA stack")
    embeddings: dict[Name, EmbeddingSpec] = Field(
        default_factory=dict, description="textual inversion embeddings by name, for words of the prompts"
    )
    adapters: dict[Name, Annotated[Adapter, OneOf(ADAPTERS, "kind")]] = Field(
        default_factory=dict, description="ControlNets, IP-Adapters, motion adapters and others by name"
    )
    sampling: SamplingSpec = Field(description="steps, noise, guidance, seeds and size")
    runtime: RuntimeSpec = Field(RuntimeSpec(), description="device, precision, memory and speed")
    # A factory, for a default made here would load every format.
    output: OutputSpec = Field(default_factory=OutputSpec, description="formats and metadata of the files written")

    @property
    def width(self) -> int:
        """Width of the images in pixels; until it is resolved, base.size for what is the input's."""
        return _pixels(self.sampling.width) or self.base.size

    @property
    def height(self) -> int:
        """Height of the images in pixels; until it is resolved, base.size for what is the input's."""
        return _pixels(self.sampling.height) or self.base.size

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

    def prompts_of(self, encoder: int) -> dict[str, str]:
        """Return the prompts that a text encoder reads, by key; negative ones only if guidance is on.

        Args:
            encoder: its number, from 0.
        """
        texts = {"prompt": self.prompt} | ({"negative_prompt": self.negative_prompt} if self.guided else {})
        if encoder:
            seconds = {key: getattr(self, f"{key}_2") for key in texts}
            texts = {key if second is None else f"{key}_2": second or texts[key] for key, second in seconds.items()}
        return {key: text for key, text in texts.items() if text}

    @property
    def prompts(self) -> dict[str, str]:
        """All prompts that some text encoder reads, by key."""
        return {k: text for number in range(len(self.family.tokenizers)) for k, text in self.prompts_of(number).items()}

    @property
    def embedding_tokens(self) -> dict[str, str]:
        """The word of prompts that stands for each embedding, by its name."""
        return {name: embedding.token or name for name, embedding in self.embeddings.items()}

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
        if self.base.vae is not None:
            yield Need("base.vae", "base.vae", self.base.vae, "model", follows_base=True)
        for name, lora in self.loras.items():
            yield Need(f"loras.{name}", f"loras.{name}.source", lora.source, "weights")
        for name, embedding in self.embeddings.items():
            yield Need(f"embeddings.{name}", f"embeddings.{name}.source", embedding.source, "weights")
        yield from self.task.needs()
        for name, adapter in self.adapters.items():
            yield from adapter.needs(f"adapters.{name}")
        if self.runtime.tiny_vae is not None:
            yield Need("runtime.tiny_vae", "runtime.tiny_vae", self.runtime.tiny_vae, "model")

    def image_uses(self) -> Iterator[ImageUse]:
        """Yield how the run uses its input images, the one that can give it its size first."""
        yield from self.task.image_uses()
        for name, adapter in self.adapters.items():
            yield from adapter.image_uses(f"adapters.{name}")

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance is on, which doubles the UNet's work."""
        return self.sampling.guidance_scale > 1.0


def _pixels(side: Side) -> int | None:
    return side if isinstance(side, int) else None
