"""The interface of schedulers (group ``scheduler``). Each is one file of :mod:`tcdflow.parts.schedulers`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from tcdflow.errors import Problem
from tcdflow.spec.registry import NameOf, Registry
from tcdflow.spec.script import Lines, call, literal
from tcdflow.spec.types import Description, Int, PredictionType, Settings

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec

# Settings that several schedulers share. None keeps what the base's own scheduler config says.
TimestepSpacing = Annotated[
    Literal["leading", "linspace", "trailing"] | None,
    Field(description="how the steps are spread over the training schedule; trailing ends at its noisiest step"),
]
RescaleBetas = Annotated[
    bool | None, Field(description="rescale the schedule to end in pure noise; for bases that predict v")
]
KarrasSigmas = Annotated[bool | None, Field(description="noise levels after Karras et al. (arXiv 2206.00364)")]
ClipSample = Annotated[bool | None, Field(description="clip the predicted sample to [-1, 1]")]
DistilledSteps = Annotated[
    Int | None,
    Field(ge=1, le=1000, description="steps that the distillation divided the schedule into; null is 50"),
]


class Scheduler(Settings):
    """A sampler and its settings: subclass it in a file of its own and register the subclass.

    A subclass names itself in ``name``, repeats the shared settings that its diffusers class reads, and adds its own.

    Attributes:
        diffusers_class: module below ``diffusers.schedulers`` and class, joined by a colon.
        a1111_name: what A1111's web UI and image galleries call it.
        uses_eta: whether ``sampling.eta`` has an effect.
        fixed: settings of the diffusers class that make it this sampler.
    """

    diffusers_class: ClassVar[str]
    a1111_name: ClassVar[str]
    uses_eta: ClassVar[bool] = False
    fixed: ClassVar[dict[str, Any]] = {}

    name: str = Field(description="the sampler")
    description: Description = ""
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] | None = Field(
        None, description="shape of the noise schedule; null keeps the base's own"
    )
    prediction_type: PredictionType | None = Field(
        None, description="what the denoiser predicts; null keeps the base's own"
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_unset(cls, data: Any) -> Any:
        """Records of the first schema list the settings of all schedulers, null where they are unset."""
        if not isinstance(data, dict):
            return data
        unset = [name for name, value in data.items() if value is None and name not in cls.model_fields]
        foreign = {name for name in unset if any(name in part.model_fields for part in SCHEDULERS.values())}
        return {name: value for name, value in data.items() if name not in foreign}

    @property
    def max_steps(self) -> int:
        """Sampling steps at which the schedule runs out."""
        return 1000

    def denoiser_calls(self, steps: int) -> int:
        """Return how often the denoiser is called in so many effective steps."""
        return steps

    def settings(self) -> dict[str, Any]:
        """Return what is changed of the base's own scheduler config."""
        own = self.model_dump(exclude={"name", "description"}, exclude_none=True)
        return {**self.fixed, **own}

    def script(self) -> Lines:
        """Return what makes it in a script: as in a run, of the config of the base's own scheduler."""
        name = self.diffusers_class.rpartition(":")[2]
        settings = {key: literal(value) for key, value in self.settings().items()}
        lines = Lines(attach=call(f"pipe.scheduler = {name}.from_config", {"*": "pipe.scheduler.config", **settings}))
        lines.use("diffusers", name)
        return lines

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield each reason for which a run cannot use it."""
        if spec.sampling.steps > self.max_steps:
            limit = f"must be at most {self.max_steps} with scheduler {self.name}"
            if "original_inference_steps" in type(self).model_fields:
                limit += " (scheduler.original_inference_steps)"
            yield Problem("sampling.steps", limit, spec.sampling.steps)
        if self.prediction_type not in (None, spec.base.prediction_type):
            what = f"the base predicts {spec.base.prediction_type}"
            yield Problem("scheduler.prediction_type", what, self.prediction_type)
        if getattr(self, "rescale_betas_zero_snr", None) and spec.base.prediction_type == "epsilon":
            what = "a base that predicts epsilon gives NaN at zero SNR; it needs v_prediction"
            yield Problem("scheduler.rescale_betas_zero_snr", what, True)


SCHEDULERS: Registry[type[Scheduler]] = Registry("scheduler", "tcdflow.parts.schedulers")

SchedulerName = Annotated[str, NameOf(SCHEDULERS)]


def called_elsewhere(name: str) -> tuple[str, bool] | None:
    """Return the scheduler that other tools call ``name``: the web UI, k-diffusion or diffusers, in any spelling.

    Returns:
        Its name here, and whether noise levels after Karras et al. were asked for; None for a name of none.
    """
    word = _plain(name)
    plain = word.removesuffix("karras")
    for own, part in SCHEDULERS.items():
        module, _, diffusers = part.diffusers_class.partition(":")
        # One class of diffusers is several samplers, which its settings tell apart.
        names = [
            own,
            part.a1111_name,
            *(() if "algorithm_type" in part.fixed else (diffusers, module.removeprefix("scheduling_"))),
        ]
        if plain in map(_plain, names):
            return own, plain != word
    return None


def _plain(name: str) -> str:
    """Write ``DPM++ 2M``, ``dpm++_2m`` and ``k_dpmpp_2m`` alike."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("+", "p").removeprefix("k_"))
