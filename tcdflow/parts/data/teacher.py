"""Examples that the teacher itself draws from prompts: no images are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tcdflow import embedded
from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.prompts import rows
from tcdflow.spec.data import DATA, Data, Example
from tcdflow.spec.paths import at_home
from tcdflow.spec.types import FilledText, Float, Int, SourceText

if TYPE_CHECKING:
    from tcdflow.spec.distill import DistillSpec

_MOST = 2048


@DATA.register("teacher")
class TeacherData(Data):
    """Latents that the teacher samples from prompts, by DDIM with guidance; no images are needed."""

    kind: Literal["teacher"]
    prompts: Annotated[tuple[FilledText, ...], Field(max_length=10_000)] = Field(
        (), description="what the teacher draws; an empty list takes data.prompts_from, or what an embedded base knows"
    )
    prompts_from: SourceText | None = Field(
        None, description="a file of prompts: .txt with one a line, .csv or .jsonl with a column prompt"
    )
    count: Int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description=f"examples to sample, the prompts in turn; null is as many as are trained on, at most {_MOST} or "
        "one for each prompt",
    )
    steps: Int = Field(20, ge=1, le=1000, description="DDIM steps of each example")
    guidance_scale: Float = Field(5.0, ge=1.0, le=100.0, description="classifier-free guidance of the examples")
    seed: Int = Field(0, ge=0, le=2**62, description="seed of the first example's noise; the next has the next seed")

    def examples(self, spec: DistillSpec) -> Sequence[Example]:
        """Return so many captions, each with its seed."""
        prompts = self._prompts(spec)
        count = self.count or min(spec.distill.steps * spec.distill.batch, max(_MOST, len(prompts)))
        return [Example(prompts[number % len(prompts)], seed=self.seed + number) for number in range(count)]

    def _prompts(self, spec: DistillSpec) -> Sequence[str]:
        if self.prompts and self.prompts_from is not None:
            raise ConfigError([Problem("data.prompts_from", "has no effect beside data.prompts", self.prompts_from)])
        if self.prompts:
            return self.prompts
        if self.prompts_from is not None:
            try:
                return [str(row.values["prompt"]) for row in rows.read(at_home(self.prompts_from))]
            except SourceError as error:
                raise ConfigError([Problem("data.prompts_from", str(error), self.prompts_from)]) from None
        model = embedded.named(spec.base.source)
        if model is None:
            what = "must name a file of prompts, .txt with one a line; only embedded bases know what they draw"
            raise ConfigError([Problem("data.prompts_from", what, "null")])
        return embedded.vocabulary(model).captions()
