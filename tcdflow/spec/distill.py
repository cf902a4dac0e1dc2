"""What a distillation is: a base, data and a method, from which a LoRA for few steps comes.

Everything here decides the LoRA, but for ``distill.device``, ``distill.checkpoint``, ``distill.validation`` and
``distill.kohya``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from tcdflow.errors import Problem
from tcdflow.spec.data import DATA, Data
from tcdflow.spec.marks import without_places
from tcdflow.spec.model import BaseModelSpec, RunSpec
from tcdflow.spec.registry import OneOf, Registry
from tcdflow.spec.tracker import Tracking
from tcdflow.spec.types import Description, FilledText, Float, Int, Settings

SAMPLER_GRID = 50
"""``original_inference_steps`` of TCDScheduler and LCMScheduler: samplers take subsets of so many timesteps."""

_Scale = Annotated[Float, Field(ge=1.0, le=100.0)]


def _range(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        low, high = value
        if all(isinstance(one, int | float) for one in value) and low > high:
            raise ValueError("must begin with the smaller number")
        return tuple(value)
    raise ValueError("must be a number, or a list of the least and the greatest such as [3,15]")


class CheckpointSpec(Settings):
    """Checkpoints, from which an interrupted distillation goes on. They change nothing of the LoRA."""

    every: Int = Field(200, ge=1, le=10_000_000, description="steps between two checkpoints; the last step makes one")
    keep: Int = Field(2, ge=1, le=1000, description="latest checkpoints to keep; older ones are removed")


class ValidationSpec(Settings):
    """Validation: the LoRA so far against the teacher, from the same noise. It changes nothing of the LoRA."""

    every: Int = Field(
        500, ge=0, le=10_000_000, description="steps between two validations; the last step makes one, too; 0 is never"
    )
    prompts: Annotated[tuple[FilledText, ...], Field(max_length=1000)] = Field(
        (), description="what is drawn; an empty list takes captions of the data"
    )
    count: Int = Field(8, ge=1, le=1000, description="captions of the data that are taken, evenly spread")
    steps: Annotated[tuple[Annotated[Int, Field(ge=1, le=SAMPLER_GRID)], ...], Field(min_length=1, max_length=16)] = (
        Field((1, 2, 4, 8), description="numbers of sampling steps that the LoRA draws with, without guidance")
    )
    eta: Float = Field(0.0, ge=0.0, le=1.0, description="eta of the LoRA's sampling; 0 stays on the teacher's path")
    seed: Int = Field(0, ge=0, le=2**62, description="seed of the noise, the same for each prompt")
    teacher_steps: Int = Field(50, ge=1, le=1000, description="DDIM steps of the teacher's images")
    guidance_scale: _Scale | None = Field(
        None, description="classifier-free guidance of the teacher's images; null is the middle of distill.guidance"
    )


class Distillation(Settings):
    """A method of distillation and its settings: subclass it in a file of its own and register the subclass.

    Attributes:
        scheduler: the sampler that its LoRAs are made for.
        to_clean: whether the student jumps to clean latents, through LCM's boundary, and not along the trajectory.
        staged: whether what is learned at a step depends on how many there will be.
    """

    scheduler: ClassVar[str] = "tcd"
    to_clean: ClassVar[bool] = False
    staged: ClassVar[bool] = False

    method: str = Field(description="what the student learns to jump to")
    description: Description = ""
    steps: Int = Field(ge=1, le=10_000_000, description="optimizer steps")
    batch: Int = Field(
        ge=1, le=65_536, description="examples of a step, over all processes and distill.accumulation together"
    )
    accumulation: Int = Field(
        1, ge=1, le=65_536, description="parts that a batch is computed in, one after the other: less memory"
    )
    seed: Int = Field(0, ge=0, le=2**63 - 1, description="seed of all draws: order, noise, timesteps, guidance, LoRA")
    guidance: Annotated[
        tuple[_Scale, _Scale],
        BeforeValidator(_range, json_schema_input_type=_Scale | Annotated[list[_Scale], Field(max_length=2)]),
    ] = Field(
        description="classifier-free guidance that is distilled, as sampling.guidance_scale has it: a number, or "
        "[least,greatest] to draw from; the TCD paper's w is 1 less",
    )
    grid: Int = Field(
        SAMPLER_GRID,
        ge=2,
        le=1000,
        description="timesteps that the schedule is divided into; samplers take theirs from 50 "
        "(scheduler.original_inference_steps)",
    )
    rank: Int = Field(64, ge=1, le=1024, description="rank of the LoRA")
    alpha: Float | None = Field(
        None, gt=0.0, le=65_536.0, description="the LoRA's effect is multiplied by alpha / rank; null is the rank"
    )
    loss: Literal["huber", "l2"] = Field(
        "huber", description="distance of the student's two jumps: pseudo-Huber or mean squared"
    )
    huber_c: Float = Field(
        0.001, gt=0.0, le=10.0, description="with loss huber: distance below which it is squared, above which absolute"
    )
    optimizer: Literal["adamw", "adamw8bit"] = Field(
        "adamw", description="AdamW of torch, or of bitsandbytes with states in 8 bits, which needs a GPU"
    )
    learning_rate: Float = Field(1e-4, gt=0.0, le=1.0, description="learning rate after the warm-up")
    warmup: Int = Field(0, ge=0, le=10_000_000, description="steps in which the learning rate grows to its full size")
    decay: Literal["constant", "cosine"] = Field(
        "constant", description="what the learning rate does after the warm-up: stay, or fall to 0 at the last step"
    )
    weight_decay: Float = Field(0.0, ge=0.0, le=1.0, description="weight decay of AdamW")
    max_grad_norm: Float = Field(1.0, gt=0.0, le=1000.0, description="norm that gradients are clipped to")
    ema: Float | None = Field(
        None, gt=0.0, lt=1.0, description="export a moving average of the LoRA with this decay; null exports the LoRA"
    )
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto",
        description="of the base's weights and of computing (mixed precision); the LoRA is float32; auto is bfloat16 "
        "on a GPU that has it, float16 on others, float32 on a CPU",
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them: less memory, a third more time"
    )
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda)$")] = Field(
        "auto", description="auto (the best there is), cpu or cuda", examples=["auto", "cpu", "cuda"]
    )
    checkpoint: CheckpointSpec = Field(CheckpointSpec(), description="checkpoints, from which it goes on")
    validation: ValidationSpec = Field(ValidationSpec(), description="the LoRA so far against the teacher")
    kohya: bool = Field(False, description="write a copy for A1111's web UI and ComfyUI, too")

    @property
    def scale(self) -> float:
        """What the LoRA's effect is multiplied by."""
        return self.lora_alpha / self.rank

    @property
    def validates(self) -> bool:
        """Whether there is any validation."""
        return self.validation.every > 0

    def validates_after(self, step: int) -> bool:
        """Say whether a validation follows a step, from 1 on."""
        return self.validates and (step % self.validation.every == 0 or step == self.steps)

    @property
    def validation_guidance(self) -> float:
        """Guidance of the teacher's images in validations."""
        own = self.validation.guidance_scale
        return sum(self.guidance) / 2 if own is None else own

    @property
    def lora_alpha(self) -> float:
        """Alpha, the rank where none is set."""
        return float(self.rank) if self.alpha is None else self.alpha

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with settings that the method has beside those of all methods."""
        yield from ()

    def beyond_grid(self, field: str, most: int) -> Iterator[Problem]:
        """Yield a field that asks for more nodes than the grid has.

        Args:
            field: name of it.
            most: nodes that it asks for.
        """
        if most > self.grid:
            what = f"must be at most distill.grid, which is {self.grid}"
            yield Problem(f"distill.{field}", what, str(getattr(self, field)))

    @abstractmethod
    def target(self, n: int, at: float, draws: Sequence[float]) -> int:
        """Return the node that both jumps end at.

        Args:
            n: node that the teacher's step ends at, from 0 (the end of the trajectory) to ``grid - 1``.
            at: share of the steps that are done, from 0 to 1.
            draws: two uniform numbers in [0, 1).

        Returns:
            A node from 0 to ``n``.
        """


METHODS: Registry[type[Distillation]] = Registry("method", "tcdflow.parts.methods")


class DistillSpec(Settings):
    """A whole distillation."""

    base: BaseModelSpec = Field(description="the teacher, which the LoRA is for")
    data: Annotated[Data, OneOf(DATA, "kind")] = Field(description="examples to train on")
    distill: Annotated[Distillation, OneOf(METHODS, "method")] = Field(description="method and training")

    def teacher(self, caption: str, steps: int = 50, guidance_scale: float = 5.0) -> RunSpec:
        """Return the run that has the teacher draw a caption, by DDIM from pure noise on."""
        # Trailing timesteps begin where the schedule ends, as a schedule with zero terminal SNR needs.
        plain: dict[str, Any] = {
            "prompt": caption,
            "base": self.base,
            "scheduler": {"name": "ddim", "timestep_spacing": "trailing"},
            "sampling": {"steps": steps, "eta": 0.0, "guidance_scale": guidance_scale},
            "runtime": {"dtype": "float32"},  # where it computes is the accelerator's to say
        }
        return RunSpec.model_validate(plain)

    def training_part(self) -> dict[str, Any]:
        """Return what decides the LoRA; what files hold, the lock and the data's hash say."""
        plain = self.model_dump(mode="json")
        unimportant = {"distill": ("device", "checkpoint", "validation", "kohya"), "data": (), "base": ("variant",)}
        return {
            part: {
                name: value
                for name, value in without_places(getattr(self, part), plain[part]).items()
                if name not in names
            }
            for part, names in unimportant.items()
        }


def root_of(part: str) -> type[Settings]:
    """Return the whole that a key belongs to, by its first word: a run, unless it is a distillation's or tracker's."""
    if part in Tracking.model_fields:
        return Tracking
    alone = part in DistillSpec.model_fields and part not in RunSpec.model_fields
    return DistillSpec if alone else RunSpec
